// SPDX-License-Identifier: Apache-2.0
/** What a machine may get wrong when it wants a certificate. */
import { writeFile } from "node:fs/promises";
import { request as httpsRequest } from "node:https";
import { join } from "node:path";
import { certificateRequest, generateDeviceKey } from "../../../agent/trust/key-and-request.ts";
import { createEnrolmentToken } from "../../../center/identity/enrolment-tokens.ts";
import { ENROLMENT_TOKEN_PREFIX } from "../../../protocol/device/enrolment.ts";
import { systemClock } from "../../../runtime/system-clock.ts";
import { systemRandom } from "../../../runtime/system-random.ts";
import { command, type Area, type BadCommand, type BadInput } from "./bad-input.ts";
import { SPARE, type World } from "./world.ts";

const ENROL =
  "agent --data device --enrolment-url https://localhost:{enrolmentPort} " +
  "--enrol-token-file token --admin-port 0 --log-file agent.log";

/** The first start of an agent, with this token. */
function enrolment(
  row: Pick<BadCommand, "id" | "title" | "where" | "captures"> & {
    words?: string;
    token: (world: World) => string;
  },
): BadInput {
  const { token, ...rest } = row;
  return command({
    words: ENROL,
    ...rest,
    arrange: async (world, folder) => writeFile(join(folder, "token"), token(world)),
  });
}

const good = (world: World): string => world.enrolmentTokens.good;

/** A token like ours that pins another authority. */
function foreignToken(): string {
  const { token } = createEnrolmentToken({
    grant: { role: "device", scope: "default", id: SPARE, hosts: [] },
    caSha256: "ab".repeat(32),
    rootSha256: "cd".repeat(32),
    nowMs: systemClock.wallMs(),
    random: systemRandom,
  });
  return token;
}

/** POSTs to simpleenroll, trusting whoever answers. */
async function simpleEnrol(
  world: World,
  options: { authorization?: string; body: string },
): Promise<{ status: number; text: string }> {
  const { authorization, body } = options;
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      `${world.installation.enrolmentUrl}/.well-known/est/simpleenroll`,
      {
        method: "POST",
        rejectUnauthorized: false,
        timeout: 20_000,
        agent: false,
        headers: {
          "content-type": "application/pkcs10",
          ...(authorization === undefined ? {} : { authorization }),
        },
      },
      (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
        response.once("end", () => resolve({ status: response.statusCode ?? 0, text }));
      },
    );
    request.once("error", reject);
    request.end(body);
  });
}

/** A request to the enrolment listener, as `curl` would send it. */
function estRequest(row: {
  id: string;
  title: string;
  given: string;
  authorization?: (world: World) => string;
  body: () => string | Promise<string>;
}): BadInput {
  const { id, title, given } = row;
  return {
    id,
    title,
    given,
    act: async (world) => {
      const authorization = row.authorization?.(world);
      const body = await row.body();
      const { status, text } = await simpleEnrol(world, {
        body,
        ...(authorization === undefined ? {} : { authorization }),
      });
      return { outcome: `HTTP ${status}`, message: text };
    },
  };
}

const POST = "`POST /.well-known/est/simpleenroll`";

export const ENROLMENT: Area = {
  title: "Enrolment",
  intro: `The first start of an agent or a gateway, and the same by EST. A center that cannot be
reached is waited for by an agent, for ever; a refusal ends it.`,
  cases: [
    command({
      id: "enrol-token-none",
      title: "There is neither certificate nor token",
      words: "agent --data device --enrolment-url https://localhost:{enrolmentPort} --admin-port 0",
    }),
    enrolment({ id: "enrol-malformed", title: "The token is none", token: () => "hello" }),
    enrolment({
      id: "enrol-unknown",
      title: "The token is not known here",
      where: "the token's last character was changed",
      token: (world) => {
        const token = good(world);
        return `${token.slice(0, -2)}${token.at(-2) === "A" ? "B" : "A"}${token.at(-1) ?? ""}`;
      },
    }),
    enrolment({
      id: "enrol-expired",
      title: "The token has expired",
      captures: { time: /expired at ([0-9T:.Z-]+)/ },
      token: (world) => world.enrolmentTokens.expired,
    }),
    enrolment({
      id: "enrol-used",
      title: "The token was used by another machine",
      captures: { time: /another key at ([0-9T:.Z-]+)/ },
      token: (world) => world.enrolmentTokens.used,
    }),
    enrolment({
      id: "enrol-authority",
      title: "The token is another installation's: its authority is pinned in it",
      token: foreignToken,
    }),
    enrolment({
      id: "enrol-url",
      title: "The address is none",
      words:
        "agent --data device --enrolment-url localhost:7443 " +
        "--enrol-token-file token --admin-port 0",
      token: good,
    }),
    enrolment({
      id: "enrol-proxy-url",
      title: "The proxy's address is none that the agent can use",
      words:
        "agent --data device --enrolment-url https://localhost:7443 --proxy socks5://proxy:1080 " +
        "--enrol-token-file token --admin-port 0",
      token: good,
    }),
    enrolment({
      id: "enrol-wrong-port",
      title: "The address is the API's, which does not speak TLS",
      words:
        "gateway --data device --center localhost:{linkPort} --admin-port 0 " +
        "--enrolment-url https://localhost:{apiPort} --enrol-token-file token",
      token: (world) => world.enrolmentTokens.gateway,
    }),
    enrolment({
      id: "enrol-role",
      title: "A gateway is given a device's token",
      words:
        "gateway --data device --center localhost:{linkPort} --admin-port 0 " +
        "--enrolment-url https://localhost:{enrolmentPort} --enrol-token-file token",
      token: good,
    }),
    enrolment({
      id: "enrol-center-away",
      title: "A gateway's first start, and the center cannot be reached",
      words:
        "gateway --data device --center localhost:9 --admin-port 0 " +
        "--enrolment-url https://localhost:9 --enrol-token-file token",
      token: (world) => world.enrolmentTokens.gateway,
    }),
    estRequest({
      id: "est-token-none",
      title: "EST without a token",
      given: POST,
      body: () => certificateRequest(generateDeviceKey()),
    }),
    estRequest({
      id: "est-token-malformed",
      title: "EST with something that is no token",
      given: `${POST} with \`Authorization: Bearer ${ENROLMENT_TOKEN_PREFIX}x.y\``,
      authorization: () => `Bearer ${ENROLMENT_TOKEN_PREFIX}x.y`,
      body: () => certificateRequest(generateDeviceKey()),
    }),
    estRequest({
      id: "est-request",
      title: "The certificate request is none",
      given: `${POST} with a good token and the body \`hello\``,
      authorization: (world) => `Bearer ${good(world)}`,
      body: () => "hello",
    }),
    estRequest({
      id: "est-large",
      title: "The body is too large",
      given: `${POST} with 128 KiB`,
      authorization: (world) => `Bearer ${good(world)}`,
      body: () => "A".repeat(131_072),
    }),
  ],
};
