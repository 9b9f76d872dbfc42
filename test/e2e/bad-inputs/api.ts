// SPDX-License-Identifier: Apache-2.0
/** Who may call the center, and what a request may look like. */
import { block, command, type Area, type BadInput, type Observed } from "./bad-input.ts";
import type { World } from "./world.ts";

const SERVICE = "muster.v1.DeployService";

interface BadRequest {
  readonly id: string;
  readonly title: string;
  /** Of the service. */
  readonly method: string;
  /** Shown on the page where it is short. */
  readonly body: string | ((world: World) => string);
  readonly where?: string;
  /** Default: the first operator's. */
  readonly authorization?: (world: World) => string | null;
  readonly arrange?: BadInput["arrange"];
  readonly alone?: boolean;
}

/** A request over the API's JSON form (Connect), as `curl` would send it. */
function request(row: BadRequest): BadInput {
  const { id, title, method, body, where, alone = false } = row;
  const shown = typeof body === "string" ? `\n\n${body}` : "";
  return {
    id,
    title,
    alone,
    given: block("http", `POST /${SERVICE}/${method}${shown}`, where),
    ...(row.arrange === undefined ? {} : { arrange: row.arrange }),
    act: async (world): Promise<Observed> => {
      const authorization =
        row.authorization === undefined ? `Bearer ${world.token}` : row.authorization(world);
      const response = await fetch(`${world.api}/${SERVICE}/${method}`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          ...(authorization === null ? {} : { authorization }),
        },
        body: typeof body === "string" ? body : body(world),
        signal: AbortSignal.timeout(20_000),
      });
      return { outcome: `HTTP ${response.status}`, message: await readAnswer(response) };
    },
  };
}

/** Connect's error: code, message, and what the ErrorInfo adds for a program. */
async function readAnswer(response: Response): Promise<string> {
  const text = await response.text();
  if (!(response.headers.get("content-type") ?? "").startsWith("application/json")) {
    return text === "" ? "(no body)" : text;
  }
  const answer = JSON.parse(text) as { details?: { debug?: unknown }[] };
  const details = (answer.details ?? []).map(({ debug }) => debug);
  return JSON.stringify({ ...answer, ...(details.length === 0 ? {} : { details }) }, null, 1);
}

const RENEWED = '{"mutation":{"idempotencyKey":"key-1"},"name":"again","spec":';

export const CALLERS: Area = {
  title: "Operators",
  intro: "A token is made by `muster token create`, and says who may do what in which tenant.",
  cases: [
    command({
      id: "token-none",
      title: "No token is known",
      words: "get rollouts",
      where: "without a login",
      token: () => "",
    }),
    command({
      id: "token-malformed",
      title: "The token is none",
      words: "get rollouts",
      where: "with MUSTER_TOKEN=hello",
      token: () => "hello",
    }),
    command({
      id: "token-foreign",
      title: "The token is another installation's",
      words: "get rollouts",
      token: (world) => world.tokens.foreign,
    }),
    command({
      id: "token-expired",
      title: "The token has expired",
      words: "get rollouts",
      token: (world) => world.tokens.expired,
    }),
    command({
      id: "token-revoked",
      title: "The token was revoked",
      words: "get rollouts",
      token: (world) => world.tokens.revoked,
    }),
    command({
      id: "role-viewer",
      title: "The role is too low",
      words: "rollout start planned",
      where: "with a token of the role viewer",
      token: (world) => world.tokens.viewer,
    }),
    command({
      id: "role-operator",
      title: "Only an admin may do it",
      words: "token create ci --role viewer",
      where: "with a token of the role operator",
      token: (world) => world.tokens.operator,
    }),
    command({
      id: "tenant-other",
      title: "The tenant is another one",
      words: "rollout start planned --tenant other",
      where: "with a token for the tenant default",
      token: (world) => world.tokens.operator,
    }),
    command({
      id: "tenant-wrong",
      title: "A tenant is none",
      words: "get rollouts --tenant 'My Shop'",
    }),
    command({
      id: "login-refused",
      title: "A login with a token that is none",
      words: "login http://127.0.0.1:{apiPort} --token-file token",
      files: { token: "not-a-token\n" },
    }),
    command({
      id: "center-away",
      title: "The center cannot be reached",
      words: "get rollouts --server http://127.0.0.1:9",
      where: "with MUSTER_TOKEN set",
      // A token is sent only to the center that it was saved for or named with.
    }),
    command({
      id: "center-plain",
      title: "A center elsewhere without TLS",
      words: "get rollouts --server http://center:7070",
    }),
    command({
      id: "center-name",
      title: "An address is none",
      words: "get rollouts --server center:7070",
    }),
  ],
};

export const REQUESTS: Area = {
  title: "Requests to the API",
  intro: `Connect's JSON form. \`details\` is the \`ErrorInfo\`: the code of the table above, which
is finer than Connect's, the field, the place in it, and what to do.`,
  cases: [
    request({
      id: "request-token-none",
      title: "No token is sent",
      method: "ListRollouts",
      body: "{}",
      authorization: () => null,
    }),
    request({
      id: "request-basic",
      title: "Another kind of credentials is sent",
      method: "ListRollouts",
      body: "{}",
      where: "with Authorization: Basic …",
      authorization: () => "Basic b3BlcmF0b3I6c2VjcmV0",
    }),
    request({
      id: "request-json",
      title: "The body is not JSON",
      method: "GetRollout",
      body: "{name",
    }),
    request({
      id: "request-field",
      title: "A field is misspelt: it is passed over, and the right one is missing",
      method: "GetRollout",
      body: '{"nmae":"draft"}',
    }),
    request({
      id: "request-spec",
      title: "A field is missing",
      method: "ApplyRollout",
      body: '{"name":"x"}',
    }),
    request({
      id: "request-selector",
      title: "A selector is wrong",
      method: "ListDevices",
      body: '{"selector":"region == local"}',
    }),
    request({
      id: "request-method",
      title: "There is no such method",
      method: "DropRollout",
      body: "{}",
    }),
    request({
      id: "request-large",
      title: "The message is too large",
      method: "ListDevices",
      body: () => JSON.stringify({ selector: "x".repeat(17 * 2 ** 20) }),
      where: "with 17 MiB",
    }),
    request({
      id: "request-many",
      title: "A list is too long",
      method: "RegisterDevices",
      body: () =>
        JSON.stringify({
          devices: Array.from({ length: 1_001 }, (_, index) => ({ id: `bulk-${index}` })),
        }),
      where: "with 1,001 devices",
    }),
    request({
      id: "key-reused",
      alone: true,
      title: "An idempotency key is used for something else",
      method: "ApplyRollout",
      body: `${RENEWED}{"release":"shop@1.1.0","selector":"site = b"}}`,
      where: "the key was used with the selector site = a",
      arrange: async (world) => {
        const response = await fetch(`${world.api}/${SERVICE}/ApplyRollout`, {
          method: "POST",
          headers: {
            "content-type": "application/json",
            authorization: `Bearer ${world.token}`,
          },
          body: `${RENEWED}{"release":"shop@1.1.0","selector":"site = a"}}`,
        });
        if (!response.ok) throw new Error(await response.text());
      },
    }),
    request({
      id: "key-malformed",
      title: "An idempotency key is none",
      method: "ApplyRollout",
      body: '{"mutation":{"idempotencyKey":"two words"},"name":"x"}',
    }),
    request({
      id: "attempt-state",
      title: "A state is none",
      method: "ListAttempts",
      body: '{"rollout":"shop-1.0","state":"broken"}',
    }),
  ],
};
