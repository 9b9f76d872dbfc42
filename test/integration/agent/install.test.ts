// SPDX-License-Identifier: Apache-2.0
/** From an offer to the disk and the report, in one process, on real files and programs. */
import assert from "node:assert/strict";
import { access, chmod, mkdtemp, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { inspectSlots } from "../../../agent/main.ts";
import type { DeviceReport } from "../../../protocol/device/report.ts";
import { startFixtureAgent } from "./fixture-agent.ts";
import type { FixtureAgent, FixtureAgentOptions } from "./fixture-agent.ts";
import { offerOf, publish, publishApp } from "./fixture-release.ts";

const { signal } = new AbortController();
let folder: string;
let blobFolder: string;
let dataDirectory: string;
let agent: FixtureAgent;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "muster-agent-"));
  blobFolder = join(folder, "blobs");
  dataDirectory = join(folder, "data");
});
afterEach(async () => {
  await agent.stop();
  await rm(folder, { recursive: true, force: true });
});

async function start(options: Partial<FixtureAgentOptions> = {}): Promise<void> {
  agent = await startFixtureAgent({ dataDirectory, blobFolder, ...options });
}

function lastReport(generation: number): DeviceReport | undefined {
  return agent.outbox
    .pending()
    .filter((report) => report.generation === generation)
    .at(-1);
}

/** A program that exits with what the file beside it says. */
async function scriptedHook(name: string, exitCode: number): Promise<string> {
  const path = join(folder, name);
  await writeFile(`${path}.exit`, `${exitCode}`);
  await writeFile(path, `#!/bin/sh\necho "$@" >> ${path}.calls\nexit $(cat ${path}.exit)\n`);
  await chmod(path, 0o755);
  return path;
}

describe("an install", () => {
  it("ends with the release running, measured and reported phase by phase", async () => {
    const release = await publishApp({ blobFolder, version: "1.0.0" });
    await start();
    await agent.offer(offerOf(release, 5));
    const slot = join(dataDirectory, "slots", "app");
    assert.equal(await readlink(join(slot, "current")), "a");
    const configuration = await readFile(join(slot, "current", "etc", "app.conf"), "utf8");
    assert.equal(configuration, "version=1.0.0\n");
    assert.deepEqual(agent.evidence.statuses(), {
      app: { digest: release.digest, version: "1.0.0", generation: 5, health: "healthy" },
    });
    assert.deepEqual(
      agent.outbox.pending().map((report) => `${report.sequence} ${report.phase}`),
      ["1 accepted", "2 downloading", "3 downloaded", "4 installing", "5 installed"],
    );
    assert.deepEqual(await inspectSlots(dataDirectory, signal), [
      { slot: "app", version: "1.0.0", digest: release.digest, generation: 5, isWhole: true },
    ]);
  });

  it("whose health check fails puts back what ran before, and says why", async () => {
    const good = await publishApp({ blobFolder, version: "1.0.0" });
    const sick = await publishApp({ blobFolder, version: "2.0.0", isHealthy: false });
    await start();
    await agent.offer(offerOf(good, 1));
    await agent.offer(offerOf(sick, 2));
    const report = lastReport(2);
    assert.equal(report?.phase, "rolled-back");
    assert.equal(report.reason, "health-check-failed");
    assert.match(report.detail ?? "", /status 3.*sick/);
    assert.equal(report.digest, good.digest);
    const status = agent.evidence.status("app");
    assert.deepEqual([status.digest, status.health], [good.digest, "healthy"]);
  });

  it("of a first release that is sick leaves nothing installed", async () => {
    const sick = await publishApp({ blobFolder, version: "2.0.0", isHealthy: false });
    await start();
    await agent.offer(offerOf(sick, 2));
    assert.equal(lastReport(2)?.phase, "rolled-back");
    assert.equal(agent.evidence.status("app").digest, "");
    await assert.rejects(access(join(dataDirectory, "slots", "app", "current")));
  });

  it("of what the other side holds switches without a download", async () => {
    const one = await publishApp({ blobFolder, version: "1.0.0" });
    const two = await publishApp({ blobFolder, version: "2.0.0" });
    await start();
    await agent.offer(offerOf(one, 1));
    await agent.offer(offerOf(two, 2));
    await rm(join(blobFolder, one.manifest.artifacts[0]!.sha256));
    await agent.offer(offerOf(one, 3));
    assert.equal(lastReport(3)?.phase, "installed");
    assert.equal(agent.evidence.status("app").digest, one.digest);
    assert.equal(agent.evidence.status("app").generation, 3);
  });

  it("of what runs already only confirms it under the new generation", async () => {
    const one = await publishApp({ blobFolder, version: "1.0.0" });
    await start();
    await agent.offer(offerOf(one, 1));
    await agent.offer(offerOf(one, 2));
    assert.equal(await readlink(join(dataDirectory, "slots", "app", "current")), "a");
    assert.equal(agent.evidence.status("app").generation, 2);
  });

  it("tells the service hook after the switch, and after the switch back", async () => {
    const service = await scriptedHook("service", 0);
    const services = ["app.service"];
    const one = await publishApp({ blobFolder, version: "1.0.0", services });
    const sick = await publishApp({ blobFolder, version: "2.0.0", services, isHealthy: false });
    await start({ hookPrograms: { service } });
    await agent.offer(offerOf(one, 1));
    await agent.offer(offerOf(sick, 2));
    const calls = await readFile(`${service}.calls`, "utf8");
    assert.equal(calls, "restart app.service\n".repeat(3));
  });

  it("rolls back when a service does not restart, and comes to its end all the same", async () => {
    const service = await scriptedHook("service", 1);
    const one = await publishApp({ blobFolder, version: "1.0.0" });
    const two = await publishApp({ blobFolder, version: "2.0.0", services: ["app.service"] });
    await start({ hookPrograms: { service } });
    await agent.offer(offerOf(one, 1));
    await agent.offer(offerOf(two, 2));
    assert.deepEqual(
      [lastReport(2)?.phase, lastReport(2)?.reason, agent.evidence.status("app").digest],
      ["rolled-back", "step-failed", one.digest],
    );
  });

  it("ends a command that takes too long together with its children", async () => {
    const release = await publish({
      blobFolder,
      version: "1.0.0",
      artifacts: {},
      steps: [{ kind: "command", run: ["/bin/sh", "-c", "sleep 600 & sleep 600"], timeoutMs: 50 }],
    });
    await start();
    await agent.offer(offerOf(release, 1));
    assert.equal(lastReport(1)?.reason, "step-timed-out");
  });

  it("cleans downloads up when it has ended", async () => {
    const release = await publishApp({ blobFolder, version: "1.0.0" });
    await start();
    await agent.offer(offerOf(release, 1));
    await agent.stop();
    await assert.rejects(access(join(dataDirectory, "downloads", release.digest)));
  });
});

describe("an offer", () => {
  it("of an older generation is refused and changes nothing", async () => {
    const one = await publishApp({ blobFolder, version: "1.0.0" });
    const two = await publishApp({ blobFolder, version: "2.0.0" });
    await start();
    await agent.offer(offerOf(two, 8));
    await agent.offer(offerOf(one, 7));
    assert.deepEqual(
      [lastReport(7)?.phase, lastReport(7)?.reason],
      ["rejected", "older-generation"],
    );
    assert.equal(agent.evidence.status("app").digest, two.digest);
  });

  it("that was answered gets the same answer again, and no second activation", async () => {
    const one = await publishApp({ blobFolder, version: "1.0.0" });
    await start();
    await agent.offer(offerOf(one, 1));
    const reports = agent.outbox.pending();
    for (const report of reports) await agent.outbox.acknowledge(report);
    assert.equal(agent.outbox.pending().length, 0);
    await agent.offer(offerOf(one, 1));
    assert.deepEqual(agent.outbox.pending(), [reports.at(-1)]);
  });

  it("of a release that does not fit is rejected before anything happens", async () => {
    const release = await publish({
      blobFolder,
      version: "1.0.0",
      artifacts: {},
      steps: [{ kind: "command", run: ["/bin/true"] }],
      fits: { hwRevision: ["rev-b"] },
    });
    await start({ inventory: { hwRevision: "rev-a" } });
    await agent.offer(offerOf(release, 1));
    const report = lastReport(1);
    assert.deepEqual([report?.phase, report?.reason], ["rejected", "does-not-fit"]);
    assert.match(report?.detail ?? "", /hwRevision = rev-b; this device has "rev-a"/);
  });

  it("that was withdrawn or has expired is rejected", async () => {
    const one = await publishApp({ blobFolder, version: "1.0.0" });
    await start();
    const withdraw = { withdraw: { rollout: 7, generation: 3 } };
    await agent.agent.receive("offer", Buffer.from(JSON.stringify(withdraw)));
    await agent.offer(offerOf(one, 3));
    await agent.offer({ ...offerOf(one, 4), expiresAtMs: 500 });
    assert.equal(lastReport(3)?.reason, "withdrawn");
    assert.equal(lastReport(4)?.reason, "expired");
  });

  it("to remove empties the slot and can be taken back by installing", async () => {
    const one = await publishApp({ blobFolder, version: "1.0.0" });
    await start();
    await agent.offer(offerOf(one, 1));
    await agent.offer(offerOf(null, 2));
    assert.deepEqual(agent.evidence.status("app"), {
      digest: "",
      version: "",
      generation: 2,
      health: "healthy",
    });
    await agent.offer(offerOf(one, 3));
    assert.equal(agent.evidence.status("app").digest, one.digest);
  });

  it("supersedes one that waits for the device to be free", async () => {
    const busy = await scriptedHook("busy", 75);
    const one = await publishApp({ blobFolder, version: "1.0.0" });
    const two = await publishApp({ blobFolder, version: "2.0.0" });
    await start({ hookPrograms: { busy } });
    await agent.send(offerOf(one, 1));
    const { promise, resolve } = Promise.withResolvers<void>();
    agent.outbox.onPending(() => {
      if (lastReport(1)?.phase === "waiting") resolve();
    });
    await promise;
    await writeFile(`${busy}.exit`, "0");
    const installed = agent.until("installed");
    await agent.send(offerOf(two, 2));
    await installed;
    assert.equal(lastReport(1)?.phase, "superseded");
    assert.equal(agent.evidence.status("app").digest, two.digest);
  });
});

describe("newer work", () => {
  it("takes back a release that was switched to and is not yet proven", async () => {
    const one = await publishApp({ blobFolder, version: "1.0.0" });
    const slow = await publish({
      blobFolder,
      version: "2.0.0",
      artifacts: {},
      steps: [{ kind: "command", run: ["/bin/true"] }],
      healthCheck: { run: ["sleep", "600"], timeoutMs: 600_000, attempts: 1, intervalMs: 0 },
    });
    const three = await publishApp({ blobFolder, version: "3.0.0" });
    await start();
    await agent.offer(offerOf(one, 1));
    const { promise: switched, resolve } = Promise.withResolvers<void>();
    agent.evidence.onChange(() => {
      if (agent.evidence.status("app").digest === slow.digest) resolve();
    });
    await agent.send(offerOf(slow, 2));
    await switched;
    const installed = agent.until("installed");
    await agent.send(offerOf(three, 3));
    await installed;
    assert.equal(lastReport(2)?.phase, "superseded");
    assert.equal(lastReport(2)?.digest, one.digest, "it was back on what was proven in between");
    assert.equal(agent.evidence.status("app").digest, three.digest);
  });

  it("leaves an attempt alone when it is not fit to be accepted", async () => {
    const busy = await scriptedHook("busy", 75);
    const one = await publishApp({ blobFolder, version: "1.0.0" });
    const misfit = await publish({
      blobFolder,
      version: "2.0.0",
      artifacts: {},
      steps: [{ kind: "command", run: ["/bin/true"] }],
      fits: { hwRevision: ["rev-z"] },
    });
    await start({ hookPrograms: { busy } });
    const accepted = agent.until("accepted");
    await agent.send(offerOf(one, 1));
    await accepted;
    const refused = agent.until("does-not-fit");
    await agent.send(offerOf(misfit, 2));
    await refused;
    await agent.stop();
    await writeFile(`${busy}.exit`, "0");
    await start({ hookPrograms: { busy } });
    if (agent.journal.slot("app").attempt !== null) await agent.until("installed");
    assert.equal(agent.evidence.status("app").digest, one.digest);
    assert.equal(lastReport(2)?.reason, "does-not-fit");
  });

  it("offered twice while it is looked at is begun once, and not refused", async () => {
    const one = await publishApp({ blobFolder, version: "1.0.0" });
    await start();
    const installed = agent.until("installed");
    await Promise.all([1, 2, 3].map(() => agent.send(offerOf(one, 1))));
    await installed;
    assert.deepEqual(
      agent.outbox.pending().map((report) => report.phase),
      ["accepted", "downloading", "downloaded", "installing", "installed"],
    );
  });
});

describe("evidence", () => {
  it("vanishes when what runs is no longer what was installed", async () => {
    const one = await publishApp({ blobFolder, version: "1.0.0" });
    await start();
    await agent.offer(offerOf(one, 1));
    await writeFile(join(dataDirectory, "slots", "app", "current", "intruder"), "");
    await agent.agent.measure();
    assert.deepEqual(agent.evidence.status("app"), {
      digest: "",
      version: "1.0.0",
      generation: 1,
      health: "unhealthy",
    });
    assert.equal((await inspectSlots(dataDirectory, signal))[0]?.isWhole, false);
  });

  it("turns unhealthy when the health check of what runs fails later", async () => {
    const sign = join(folder, "sign");
    await writeFile(sign, "");
    const release = await publish({
      blobFolder,
      version: "1.0.0",
      artifacts: {},
      steps: [{ kind: "command", run: ["/bin/true"] }],
      healthCheck: { run: ["test", "-e", sign], timeoutMs: 5_000, attempts: 1, intervalMs: 0 },
    });
    await start();
    await agent.offer(offerOf(release, 1));
    assert.equal(agent.evidence.status("app").health, "healthy");
    await rm(sign);
    await agent.agent.measure();
    assert.equal(agent.evidence.status("app").health, "unhealthy");
    assert.equal(agent.evidence.status("app").digest, release.digest);
  });

  it("comes back from the disk when the journal is lost, and old offers stay refused", async () => {
    const one = await publishApp({ blobFolder, version: "1.0.0" });
    const two = await publishApp({ blobFolder, version: "2.0.0" });
    const sick = await publishApp({ blobFolder, version: "3.0.0", isHealthy: false });
    await start();
    await agent.offer(offerOf(one, 1));
    await agent.offer(offerOf(two, 2));
    await agent.offer(offerOf(sick, 9));
    const before = agent.evidence.statuses();
    await agent.stop();
    const journal = join(dataDirectory, "journal.json");
    await writeFile(journal, (await readFile(journal, "utf8")).replace("2.0.0", "2.0.1"));
    await start();
    assert.equal(agent.journalWasRebuilt, true);
    assert.deepEqual(agent.evidence.statuses(), before);
    await agent.offer(offerOf(one, 8));
    assert.equal(lastReport(8)?.reason, "older-generation");
  });
});
