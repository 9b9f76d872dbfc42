// SPDX-License-Identifier: Apache-2.0
/**
 * docs/reference/deploy-service.md with other people's clients: grpcurl, made from nothing but the
 * .proto file, submits a rollout on 50051 and watches it end; curl reads it as JSON on 7070. A real
 * agent is the device. The commands are taken out of the page.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { startInstallation, type Installation } from "../helpers/installation.ts";
import { pageBlocks } from "../helpers/page-blocks.ts";
import { haveTools, runTool, type ToolResult } from "../helpers/tools.ts";

const PAGE = "docs/reference/deploy-service.md";
const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));
const TIMEOUT_MS = 120_000;

/** Where .ci/run puts the grpcurl that it builds. */
const CI_TOOLS = join(
  process.env["MUSTER_CI_CACHE"] ??
    join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "muster-ci"),
  "bin",
);

interface Scheduler {
  readonly installation: Installation;
  readonly environment: {
    readonly MUSTER_TOKEN: string;
    readonly MUSTER_CA: string;
    readonly MUSTER_GRPC: string;
    readonly MUSTER_SERVER: string;
    readonly PATH: string;
  };
}

describe("the API for schedulers", { timeout: TIMEOUT_MS }, () => {
  it("takes a rollout from a client of another language and shows how it ends", async (t) => {
    process.env["PATH"] = `${process.env["PATH"] ?? ""}${delimiter}${CI_TOOLS}`;
    if (!(await haveTools(t, "grpcurl", "curl", "sh"))) return;
    await using installation = await startInstallation(t);
    const scheduler = await schedulerOf(installation);
    await installation.roles.startAgent({ id: "press-7", inventory: { hwRevision: "a" } });
    await installation.operator.publishRelease({ version: "1.0.0" });

    await t.test("by gRPC on 50051, to its end", () => submitByGrpc(scheduler));
    await t.test("as JSON on 7070", () => readByCurl(scheduler));
    await t.test("once for one idempotency key", () => repeatByCurl(scheduler));
    await t.test("from nobody without a token, or without trust in the CA", () =>
      tryWithoutRights(scheduler),
    );
    await t.test("with errors that say where and what to do", () => failByBoth(scheduler));
  });
});

async function schedulerOf(installation: Installation): Promise<Scheduler> {
  return {
    installation,
    environment: {
      MUSTER_TOKEN: (await readFile(installation.tokenFile, "utf8")).trim(),
      MUSTER_CA: installation.caFile,
      MUSTER_GRPC: installation.linkAddress,
      MUSTER_SERVER: installation.apiUrl,
      PATH: process.env["PATH"] ?? "",
    },
  };
}

/** Runs the page's block of that mark, in the repository, and then `more`. */
async function runBlock(scheduler: Scheduler, mark: string, more = ""): Promise<ToolResult> {
  const [block = ""] = await pageBlocks(PAGE, mark);
  const { environment } = scheduler;
  return runTool("sh", ["-euc", `${block}\n${more}`], { cwd: REPOSITORY, environment });
}

/** The block's `call` only: its definition, and `more` after it. */
async function runCall(scheduler: Scheduler, mark: string, more: string): Promise<ToolResult> {
  const [block = ""] = await pageBlocks(PAGE, mark);
  const call = /^call\(\) \{\n[\s\S]*?^\}\n/m.exec(block)?.[0] ?? "";
  assert.notEqual(call, "", `the ${mark} block of the page defines call()`);
  const { environment } = scheduler;
  return runTool("sh", ["-euc", `${call}\n${more}`], { cwd: REPOSITORY, environment });
}

interface RolloutJson {
  readonly name: string;
  readonly state: string;
  readonly stateReason?: string;
  readonly plan?: { readonly deviceCount: number };
  readonly progress?: { readonly byState: { readonly [state: string]: number } };
}

/** Objects printed one after the other. */
function readObjects(text: string): { readonly rollout?: RolloutJson }[] {
  return text
    .trim()
    .split(/(?<=^\})\n(?=\{$)/m)
    .map((part) => JSON.parse(part) as { readonly rollout?: RolloutJson });
}

async function submitByGrpc(scheduler: Scheduler): Promise<void> {
  const { status, stdout, stderr } = await runBlock(scheduler, "sh grpcurl");
  assert.equal(status, 0, stderr);
  const [applied, planned, started, ...watched] = readObjects(stdout).map(({ rollout }) => rollout);
  assert.equal(applied?.state, "ROLLOUT_STATE_DRAFT");
  assert.equal(planned?.state, "ROLLOUT_STATE_PLANNED");
  assert.equal(planned?.plan?.deviceCount, 1);
  assert.equal(started?.state, "ROLLOUT_STATE_RUNNING");
  assert.ok(watched.length >= 2, "the watch shows the rollout under way and its end");
  assert.equal(watched[0]?.state, "ROLLOUT_STATE_RUNNING");
  const last = watched.at(-1);
  assert.equal(last?.state, "ROLLOUT_STATE_SUCCEEDED", last?.stateReason ?? "");
  assert.deepEqual(last?.progress?.byState, { succeeded: 1 });
  const version = scheduler.installation.roles.at("press-7/slots/app/current/VERSION");
  assert.equal(await readFile(version, "utf8"), "1.0.0");
}

async function readByCurl(scheduler: Scheduler): Promise<void> {
  const { status, stdout, stderr } = await runBlock(scheduler, "sh curl");
  assert.equal(status, 0, stderr);
  const [about, shown, listed, explained] = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.equal(about.linkAddress, scheduler.installation.linkAddress);
  assert.equal(shown.rollout.state, "ROLLOUT_STATE_SUCCEEDED");
  assert.deepEqual(
    listed.attempts.map(({ device, state }: { device: string; state: string }) => [device, state]),
    [["press-7", "succeeded"]],
  );
  assert.match(explained.sentence, /press-7/);
}

async function repeatByCurl(scheduler: Scheduler): Promise<void> {
  const apply = (name: string): string =>
    `call ApplyRollout '${JSON.stringify({
      mutation: { idempotencyKey: "once", reason: "test" },
      name,
      spec: { release: "app@1.0.0", selector: "region = local" },
    })}'`;
  const twice = await runCall(scheduler, "sh curl", `${apply("again")}\n${apply("again")}`);
  assert.equal(twice.status, 0, twice.stderr);
  const [first, second] = twice.stdout.trim().split("\n");
  assert.equal(second, first, "the same answer, also that it was created");
  const other = await runCall(scheduler, "sh curl", apply("another"));
  assert.notEqual(other.status, 0);
  const { code, details } = JSON.parse(other.stdout);
  assert.equal(code, "invalid_argument");
  assert.equal(details[0].debug.field, "mutation.idempotencyKey");
  const { operator } = scheduler.installation;
  const { rollouts } = await operator.client.listRollouts({});
  assert.deepEqual(rollouts.map(({ name }) => name).sort(), ["again", "app-1.0.0"]);
}

async function tryWithoutRights(scheduler: Scheduler): Promise<void> {
  for (const [mark, refusal] of [
    ["sh grpcurl", /Code: Unauthenticated/],
    ["sh curl", /"code":"unauthenticated"/],
  ] as const) {
    for (const token of ["", "nobody's"]) {
      const environment = { ...scheduler.environment, MUSTER_TOKEN: token };
      const refused = await runCall({ ...scheduler, environment }, mark, "call GetStatus '{}'");
      assert.notEqual(refused.status, 0);
      assert.match(`${refused.stdout}${refused.stderr}`, refusal);
    }
  }
  const { operator } = scheduler.installation;
  const viewer = await operator.client.createToken({
    name: "v",
    tenant: "default",
    role: "viewer",
  });
  const environment = { ...scheduler.environment, MUSTER_TOKEN: viewer.token };
  const stop = `call StopRollout '{"name":"app-1.0.0"}'`;
  const denied = await runCall({ ...scheduler, environment }, "sh grpcurl", stop);
  assert.match(denied.stderr, /Code: PermissionDenied/);

  const distrusting = { ...scheduler.environment, MUSTER_CA: "/etc/ssl/certs/ca-certificates.crt" };
  const foreign = { ...scheduler, environment: distrusting };
  const refused = await runCall(foreign, "sh grpcurl", "call GetStatus '{}'");
  assert.notEqual(refused.status, 0);
  assert.match(refused.stderr, /certificate|x509|no such file/);
}

async function failByBoth(scheduler: Scheduler): Promise<void> {
  const spec = { release: "app@1.0.0", selector: "region = = local" };
  const apply = `call ApplyRollout '${JSON.stringify({ name: "bad", spec })}'`;
  const grpc = await runCall(scheduler, "sh grpcurl", apply);
  assert.match(grpc.stderr, /Code: InvalidArgument\n {2}Message: selector, column 10: expected/);
  assert.match(grpc.stderr, /"column": 10/);
  const json = await runCall(scheduler, "sh curl", apply);
  assert.deepEqual(JSON.parse(json.stdout).details[0].debug, {
    code: "invalid_argument",
    field: "selector",
    line: 1,
    column: 10,
  });
  const missing = await runCall(scheduler, "sh grpcurl", `call GetRollout '{"name":"none"}'`);
  assert.match(missing.stderr, /Code: NotFound/);
  assert.equal(missing.status, 64 + 5); // grpcurl: 64 and the status, 5 = NOT_FOUND.
}
