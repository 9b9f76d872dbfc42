// SPDX-License-Identifier: Apache-2.0
/**
 * The whole agent, as `muster agent` starts it, against a real enrolment listener and fake
 * gateways.
 */
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import type { TestContext } from "node:test";
import { startAgent } from "../../../agent/main.ts";
import type { AgentOptions, RunningAgent } from "../../../agent/main.ts";
import { SILENT_LOGGER } from "../../../ports/logger.ts";
import { addTarget, TARGETS_LIFETIME_MS } from "../../../protocol/trust/sign-targets.ts";
import { startCenter } from "../identity/center-fixture.ts";
import type { CenterFixture } from "../identity/center-fixture.ts";
import { startFakeGateway } from "./fake-gateway.ts";
import type { FakeGateway } from "./fake-gateway.ts";
import { DEVICE, offerOf, publishApp } from "./fixture-release.ts";
import type { FixtureRelease } from "./fixture-release.ts";

interface Stage {
  readonly center: CenterFixture;
  readonly gateway: FakeGateway;
  /** The agent's data. */
  readonly folder: string;
  /** Starts the agent of the one device; ended with the test. */
  readonly start: (options?: Partial<AgentOptions>) => Promise<RunningAgent>;
  /** Makes a release, stores and signs it as the operator would. */
  readonly release: (version: string, options?: { isHealthy?: boolean }) => Promise<FixtureRelease>;
  readonly offer: (release: FixtureRelease | null, generation: number) => Buffer;
}

async function setStage(context: TestContext): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), "muster-agent-"));
  const agents: RunningAgent[] = [];
  context.after(async () => {
    for (const agent of agents) await agent.stop();
    await rm(folder, { recursive: true });
  });
  const center = await startCenter(context);
  const gateway = await startFakeGateway(center, { gateway: "gw-1", device: DEVICE });
  context.after(() => gateway[Symbol.asyncDispose]());
  const blobFolder = join(center.folder, "blobs");
  const token = await center.token(DEVICE);
  const start: Stage["start"] = async (options = {}) => {
    const agent = await startAgent({
      dataDirectory: folder,
      enrolmentUrl: center.enrolmentUrl,
      token,
      gateways: [gateway.address],
      heartbeatIntervalMs: 200,
      backoffCeilingMs: 20,
      adminPort: 0,
      version: "0.0.1",
      logger: SILENT_LOGGER,
      clock: center.clock,
      ...options,
    });
    agents.push(agent);
    return agent;
  };
  return {
    center,
    gateway,
    folder,
    start,
    release: async (version, options) => {
      const release = await publishApp({ blobFolder, version, ...options });
      await publishRelease(center, blobFolder, release);
      return release;
    },
    offer: (release, generation) => {
      const [message] = center.offerSigner.signOffers([offerOf(release, generation)], 0);
      return message!;
    },
  };
}

/** Blobs into the center's store, the manifest as a TUF target. */
async function publishRelease(
  center: CenterFixture,
  blobFolder: string,
  release: FixtureRelease,
): Promise<void> {
  const { artifacts, trust, clock, signal } = center;
  const names = [...release.manifest.artifacts.map((artifact) => artifact.sha256), release.digest];
  for (const name of names) {
    const bytes = await readFile(join(blobFolder, name));
    assert.equal(hash("sha256", bytes), name);
    await artifacts.put({ sha256: name, lengthBytes: bytes.length }, one(bytes), { signal });
  }
  const keyFile = "targets.key.pem";
  const signed = addTarget({
    currentTargetsBytes: trust.currentTargets().bytes,
    path: offerOf(release, 1).release!.target,
    content: { bytes: await readFile(join(blobFolder, release.digest)) },
    keyPem: await readFile(join(center.folder, "operator", keyFile), "utf8"),
    keyFile,
    expiresMs: clock.wallMs() + TARGETS_LIFETIME_MS,
  });
  const expectedVersion = trust.currentTargets().version;
  const published = await trust.publishTargets({ bytes: signed, expectedVersion, signal });
  assert.equal(published.ok, true);
}

async function* one(bytes: Buffer): AsyncIterable<Uint8Array> {
  yield bytes;
}

it("an agent enrols, connects, says hello and keeps a heartbeat", async (context) => {
  const { gateway, start } = await setStage(context);
  const agent = await start({ inventory: { hwRevision: "rev-b" } });
  assert.equal(agent.device, DEVICE);
  await gateway.until(({ hellos, heartbeats }) => hellos.length === 1 && heartbeats.length >= 3);
  assert.equal(gateway.received.hellos[0]?.inventory["hwRevision"], "rev-b");
  assert.deepEqual(
    gateway.received.heartbeats.slice(0, 3).map((heartbeat) => heartbeat.sequence),
    [1, 2, 3],
  );
  const ready = await fetch(`http://127.0.0.1:${agent.adminPort}/readyz`);
  assert.equal(ready.status, 200);
  const metrics = await (await fetch(`http://127.0.0.1:${agent.adminPort}/metrics`)).text();
  assert.match(metrics, /^muster_agent_link_connected 1$/m);
});

it("a signed offer is installed, reported, and evident in the heartbeat", async (context) => {
  const { gateway, start, release, offer } = await setStage(context);
  const app = await release("1.0.0");
  await start();
  await gateway.until(({ hellos }) => hellos.length === 1);
  gateway.offer(offer(app, 4));
  const report = await gateway.untilReported(4, "installed");
  assert.equal(report.digest, app.digest);
  await gateway.until(({ heartbeats }) => {
    const status = heartbeats.at(-1)?.slots.app;
    return status?.digest === app.digest && status.health === "healthy";
  });
  assert.deepEqual(
    gateway.received.reports.map(({ sequence, phase }) => `${sequence} ${phase}`),
    ["1 accepted", "2 downloading", "3 downloaded", "4 installing", "5 installed"],
  );
});

it("a release that the operator never signed is rejected", async (context) => {
  const { center, gateway, start, offer } = await setStage(context);
  const blobFolder = join(center.folder, "blobs");
  const unsigned = await publishApp({ blobFolder, version: "6.6.6" });
  await start({ random: { next: () => 0, bytes: (length) => Buffer.alloc(length, 7) } });
  await gateway.until(({ hellos }) => hellos.length === 1);
  gateway.offer(offer(unsigned, 4));
  const report = await gateway.untilReported(4, "rejected");
  assert.equal(report.reason, "untrusted-release");
});

it("an offer that the center never signed is dropped without a word", async (context) => {
  const { gateway, start, release, offer } = await setStage(context);
  const app = await release("1.0.0");
  await start();
  await gateway.until(({ hellos }) => hellos.length === 1);
  const message = JSON.parse(offer(app, 4).toString("utf8")) as { payload: string };
  const forged = JSON.parse(Buffer.from(message.payload, "base64").toString("utf8")) as object;
  const payload = Buffer.from(JSON.stringify({ ...forged, generation: 5 })).toString("base64");
  gateway.offer(Buffer.from(JSON.stringify({ ...message, payload })));
  gateway.offer(offer(app, 6));
  await gateway.untilReported(6, "installed");
  assert.ok(gateway.received.reports.every((report) => report.generation === 6));
});

it("unacknowledged reports go again, in order, through another gateway", async (context) => {
  const { center, gateway, start, release, offer } = await setStage(context);
  const other = await startFakeGateway(center, { gateway: "gw-2", device: DEVICE });
  context.after(() => other[Symbol.asyncDispose]());
  const app = await release("1.0.0");
  gateway.acknowledgesReports = false;
  const firstOfTwo = { next: () => 0, bytes: (length: number) => Buffer.alloc(length, 7) };
  await start({ gateways: [gateway.address, other.address], random: firstOfTwo });
  await gateway.until(({ hellos }) => hellos.length === 1);
  gateway.offer(offer(app, 4));
  await gateway.untilReported(4, "installed");
  gateway.cutConnections();
  await other.untilReported(4, "installed");
  assert.deepEqual(
    other.received.reports.map((report) => report.sequence),
    [1, 2, 3, 4, 5],
  );
});

it("unacknowledged reports survive a restart, acknowledged ones are gone", async (context) => {
  const { gateway, folder, start, release, offer } = await setStage(context);
  const app = await release("1.0.0");
  gateway.acknowledgesReports = false;
  const first = await start();
  await gateway.until(({ hellos }) => hellos.length === 1);
  gateway.offer(offer(app, 4));
  await gateway.untilReported(4, "installed");
  await first.stop();
  const before = gateway.received.reports.length;
  gateway.acknowledgesReports = true;
  const second = await start();
  await gateway.until(({ reports }) => reports.length === before + 5);
  await untilTrue(async () => (await readdir(join(folder, "reports"))).length === 0);
  await second.stop();
  await start();
  await gateway.until(({ hellos }) => hellos.length === 3);
  gateway.offer(offer(app, 9)); // Its first report comes after whatever was still waiting.
  await gateway.untilReported(9, "accepted");
  assert.equal(gateway.received.reports.filter(({ generation }) => generation === 4).length, 10);
});

it("a second agent in the folder is refused until the first has ended", async (context) => {
  const { start } = await setStage(context);
  const first = await start();
  await assert.rejects(start(), { code: "failed_precondition" });
  await first.stop();
  await start();
});

it("the fourth failed dial tells the layer above once, and it tries on", async (context) => {
  const { center, start } = await setStage(context);
  const said = join(center.folder, "said");
  const hook = join(center.folder, "hook");
  await writeFile(hook, `#!/bin/sh\necho exhausted >> ${said}\n`);
  await chmod(hook, 0o755);
  const nowhere = { host: "127.0.0.1", mqttsPort: 1, artifactsPort: 1 };
  const agent = await start({ gateways: [nowhere], hooks: { exhausted: hook } });
  await untilTrue(async () => (await failedDials(agent)) >= 8);
  assert.equal(await readFile(said, "utf8"), "exhausted\n");
  assert.equal(agent.isConnected, false);
});

async function failedDials(agent: RunningAgent): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${agent.adminPort}/metrics`)).text();
  return Number(/^muster_agent_link_dial_failures_total (\d+)$/m.exec(text)?.[1]);
}

it("a certificate is renewed when less than a third of its life remains", async (context) => {
  const { center, gateway, folder, start } = await setStage(context);
  const agent = await start();
  await gateway.until(({ hellos }) => hellos.length === 1);
  await agent.stop();
  const file = join(folder, "identity", "cert.pem");
  const before = await readFile(file, "utf8");
  const keepsIt = await start();
  await gateway.until(({ hellos }) => hellos.length === 2);
  await keepsIt.stop();
  assert.equal(await readFile(file, "utf8"), before);
  center.clock.advance(300 * 86_400_000);
  await center.trust.renewIfDue();
  await center.serverCertificate.renewIfDue();
  await start();
  await untilTrue(async () => (await readFile(file, "utf8")) !== before);
});

/** Waits for a state on disk; the test's own time-out bounds it. */
async function untilTrue(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setImmediate(resolve));
}
