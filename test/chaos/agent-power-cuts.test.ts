// SPDX-License-Identifier: Apache-2.0
/**
 * The power is cut at every moment that has a name, and at random repetitions of them: a process of
 * its own runs the agent and kills itself there. Then the disk is judged, the agent starts again,
 * and the attempt must end as it would have without the cut.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { appendFile, chmod, cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { OfferPayload } from "../../protocol/device/offer.ts";
import { STARTS_MAX } from "../../agent/attempt-runner.ts";
import { endOrphans } from "../../agent/process/orphans.ts";
import { SILENT_LOGGER } from "../../ports/logger.ts";
import { systemClock } from "../../runtime/system-clock.ts";
import { startChild } from "../integration/agent/child-agent.ts";
import type { ChildEnd } from "../integration/agent/child-agent.ts";
import {
  checkJournalAgrees,
  journalOf,
  reportsOf,
  versionOnDisk,
} from "../integration/agent/disk-checker.ts";
import { startFixtureAgent } from "../integration/agent/fixture-agent.ts";
import {
  offerOf,
  publish,
  publishApp,
  publishChunkedApp,
} from "../integration/agent/fixture-release.ts";
import type { FixtureRelease } from "../integration/agent/fixture-release.ts";

/**
 * Repeated moments (each chunk, each entry, each journal write) to be cut at, besides the first.
 */
const RANDOM_CUT_COUNT = 25;
const SEED = 20_260_713;

/** A process that has ended and that nobody has asked about yet (a zombie) does not run. */
async function isRunning(pid: number): Promise<boolean> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return text !== "" && !/\) Z /.test(text);
}

interface Scenario {
  readonly name: string;
  /** Generations are the positions, from 1. */
  readonly installedBefore: readonly FixtureRelease[];
  readonly offer: OfferPayload;
  /** Versions of which one must be linked at any instant, and the one at the end. */
  readonly old: string;
  readonly final: string;
  readonly outcome: string;
}

let folder: string;
let blobFolder: string;
let serviceHook: string;
let compileCache: string;
let good: FixtureRelease;
let better: FixtureRelease;
let sick: FixtureRelease;
const known = new Map<string, string>();
const covered = new Set<string>();

describe("power", () => {
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "muster-power-"));
    blobFolder = join(folder, "blobs");
    compileCache = join(folder, "compile-cache");
    serviceHook = join(folder, "service-hook");
    await writeFile(serviceHook, "#!/bin/sh\nexit 0\n");
    await chmod(serviceHook, 0o755);
    const services = ["app.service"];
    good = await publishApp({ blobFolder, version: "1.0.0", services });
    better = await publishApp({ blobFolder, version: "2.0.0", services });
    sick = await publishApp({ blobFolder, version: "3.0.0", services, isHealthy: false });
  });
  after(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  describe("a power cut", () => {
    it("during an upgrade leaves the old or the new version whole, then the new one", async () => {
      const offer = offerOf(better, 9);
      await runScenario({
        name: "upgrade",
        installedBefore: [good],
        offer,
        old: "1.0.0",
        final: "2.0.0",
        outcome: "installed",
      });
    });

    it("while only what changed is fetched leaves the old or the new version whole", async () => {
      const [old, next] = [
        await publishChunkedApp({ blobFolder, version: "5.0.0" }),
        await publishChunkedApp({ blobFolder, version: "6.0.0" }),
      ];
      await runScenario({
        name: "chunks",
        installedBefore: [old],
        offer: offerOf(next, 9),
        old: "5.0.0",
        final: "6.0.0",
        outcome: "installed",
      });
      assert.ok(covered.has("agent.chunk.written") && covered.has("agent.keep-seeds.middle"));
    });

    it("while a sick release is tried leaves one version whole, then the former", async () => {
      await runScenario({
        name: "sick",
        installedBefore: [good],
        offer: offerOf(sick, 9),
        old: "1.0.0",
        final: "1.0.0",
        outcome: "rolled-back",
      });
    });

    it("during a return to what the other side holds leaves one version whole", async () => {
      await runScenario({
        name: "return",
        installedBefore: [good, better],
        offer: offerOf(good, 9),
        old: "2.0.0",
        final: "1.0.0",
        outcome: "installed",
      });
    });

    it("during a removal leaves the version whole, or nothing", async () => {
      await runScenario({
        name: "remove",
        installedBefore: [good],
        offer: offerOf(null, 9),
        old: "1.0.0",
        final: "",
        outcome: "installed",
      });
    });
  });

  it("that comes at every start ends with what ran before", async () => {
    const data = await prepared("crash-loop", [good]);
    const offer = offerOf(better, 9);
    const faults = { MUSTER_FAULTS: "crash:agent.health-check.middle" };
    for (let startCount = 1; startCount <= STARTS_MAX + 1; startCount += 1) {
      const ended = await runChild(data, offer, faults);
      assert.equal(ended.signalName, "SIGKILL", ended.output);
    }
    const ended = await runChild(data, offer, faults);
    assert.equal(ended.exitCode, 0, ended.output);
    assert.equal(await versionOnDisk(data, known), "1.0.0");
    const { answer } = await journalOf(data);
    assert.deepEqual([answer?.phase, answer?.reason], ["rolled-back", "crash-loop"]);
  });

  it("between a report's acknowledgement and its removal leaves it whole, or gone", async () => {
    for (const cut of ["before#2", "middle", "after#2", "before#5", "after#5"]) {
      const data = await mkdtemp(join(folder, "acknowledge-"));
      const environment = { MUSTER_FAULTS: `crash:agent.acknowledge.${cut}` };
      const offer = offerOf(good, 1);
      const ended = await startChild({
        data,
        blobFolder,
        offer,
        serviceHook,
        compileCache,
        isAcknowledged: true,
        environment,
      }).ended;
      assert.equal(ended.signalName, "SIGKILL", ended.output);
      const left = (await reportsOf(data)).flatMap((record) => record.pending);
      const sequences = left.map((report) => report.sequence);
      assert.deepEqual(sequences, [1, 2, 3, 4, 5].slice(5 - sequences.length), cut);
      assert.equal((await journalOf(data)).answer?.sequence, 5);
    }
  });

  it("leaves programs running that the next start ends", async () => {
    const data = join(folder, "orphans");
    const pidFile = join(folder, "orphan.pid");
    const command = `echo $$ > ${pidFile}.next; mv ${pidFile}.next ${pidFile}; sleep 600`;
    const release = await publish({
      blobFolder,
      version: "4.0.0",
      artifacts: {},
      steps: [{ kind: "command", run: ["/bin/sh", "-c", command] }],
    });
    const child = startChild({
      data,
      blobFolder,
      offer: offerOf(release, 1),
      serviceHook,
      compileCache,
      environment: {},
    });
    while (!existsSync(pidFile)) await new Promise((resolve) => setImmediate(resolve));
    const pid = Number(await readFile(pidFile, "utf8"));
    child.process.kill("SIGKILL");
    await child.ended;
    assert.equal(await isRunning(pid), true, "nobody told it");
    const { signal } = new AbortController();
    await endOrphans({ dataDirectory: data, clock: systemClock, logger: SILENT_LOGGER, signal });
    assert.equal(await isRunning(pid), false);
  });

  describe("the checker of a disk", () => {
    const upgrade = (): Promise<string> => prepared("planted", [good]);
    const cut = async (data: string, faults: string): Promise<void> => {
      const offer = offerOf(better, 9);
      const ended = await runChild(data, offer, { MUSTER_FAULTS: faults });
      assert.equal(ended.signalName, "SIGKILL", ended.output);
    };

    it("catches a switch that is not one step", async () => {
      const data = await upgrade();
      await cut(data, "plant:agent.switch.torn,crash:agent.switch.middle");
      assert.equal(await versionOnDisk(data, known), "");
      await assert.rejects(checkJournalAgrees(data));
    });

    it("catches a journal that says what is not yet so", async () => {
      const data = await upgrade();
      await cut(data, "plant:agent.journal.ahead,crash:agent.switch.middle");
      await assert.rejects(checkJournalAgrees(data));
    });

    it("catches a byte that is not the version's", async () => {
      const data = await upgrade();
      await appendFile(join(data, "slots", "app", "current", "share", "text"), "x");
      await assert.rejects(versionOnDisk(data, known), /no version whole/);
    });
  });
});

/** A fresh data folder with these releases installed. */
async function prepared(name: string, releases: readonly FixtureRelease[]): Promise<string> {
  const data = await mkdtemp(join(folder, `${name}-`));
  await installBefore(data, releases);
  return data;
}

async function runScenario(scenario: Scenario): Promise<void> {
  const base = await prepared(scenario.name, scenario.installedBefore);
  const trace = await traceOf(scenario, base);
  const cuts = chooseCuts(trace, scenario.name === "upgrade" ? RANDOM_CUT_COUNT : 3);
  // Two at a time: mostly they wait for a disk and for a process to start.
  await Promise.all(
    [0, 1].map((lane) =>
      runLane(
        scenario,
        base,
        cuts.slice().filter((_, index) => index % 2 === lane),
      ),
    ),
  );
}

async function runLane(scenario: Scenario, base: string, cuts: readonly string[]): Promise<void> {
  for (const cut of cuts) {
    try {
      await cutAt(scenario, base, cut);
    } catch (error) {
      throw new Error(`${scenario.name}: power cut at ${cut}`, { cause: error });
    }
  }
}

async function cutAt(scenario: Scenario, base: string, cut: string): Promise<void> {
  const data = join(folder, `${scenario.name}-${cut.replace("#", "-")}`);
  await cp(base, data, { recursive: true, verbatimSymlinks: true });
  const ended = await runChild(data, scenario.offer, { MUSTER_FAULTS: `crash:${cut}` });
  assert.equal(ended.signalName, "SIGKILL", ended.output);
  const linked = await versionOnDisk(data, known);
  assert.ok([scenario.old, scenario.offer.release?.version ?? ""].includes(linked), linked);
  await checkJournalAgrees(data);
  const again = await runChild(data, scenario.offer, {});
  assert.equal(again.exitCode, 0, again.output);
  await checkEnd(scenario, data);
  await rm(data, { recursive: true });
}

async function checkEnd(scenario: Scenario, data: string): Promise<void> {
  assert.equal(await versionOnDisk(data, known), scenario.final);
  const journal = await journalOf(data);
  assert.equal(journal.attempt, null);
  assert.equal(journal.answer?.phase, scenario.outcome);
  await checkJournalAgrees(data);
  const reports = (await reportsOf(data)).flatMap((record) => record.pending);
  const ofOffer = reports.filter((report) => report.generation === scenario.offer.generation);
  const sequences = ofOffer.map((report) => report.sequence);
  assert.equal(new Set(sequences).size, sequences.length, "each report has its own sequence");
  const last = ofOffer.toSorted((left, right) => left.sequence - right.sequence).at(-1);
  assert.equal(last?.phase, scenario.outcome);
  assert.deepEqual(last, journal.answer);
}

async function installBefore(base: string, releases: readonly FixtureRelease[]): Promise<void> {
  const agent = await startFixtureAgent({
    dataDirectory: base,
    blobFolder,
    hookPrograms: { service: serviceHook },
  });
  for (const [index, release] of releases.entries()) await agent.offer(offerOf(release, index + 1));
  await agent.stop();
  for (const record of Object.values(agent.journal.slot("app").sides)) {
    if (record !== null) known.set(record.version, record.treeDigest);
  }
}

/**
 * The moments that the scenario passes, in order; the first run also shows what ends up on disk.
 */
async function traceOf(scenario: Scenario, base: string): Promise<readonly string[]> {
  const data = join(folder, `${scenario.name}-reference`);
  await cp(base, data, { recursive: true, verbatimSymlinks: true });
  const traceFile = join(folder, `${scenario.name}.trace`);
  const ended = await runChild(data, scenario.offer, { MUSTER_FAULT_TRACE: traceFile });
  assert.equal(ended.exitCode, 0, ended.output);
  const { sides } = await journalOf(data);
  for (const record of Object.values(sides)) {
    if (record !== null) known.set(record.version, record.treeDigest);
  }
  if (scenario.name === "sick") await learnSickTree();
  await checkEnd(scenario, data);
  return (await readFile(traceFile, "utf8")).trim().split("\n");
}

/**
 * The sick release's tree is gone from the disk at the end; its healthy twin's is not: measure it.
 */
async function learnSickTree(): Promise<void> {
  const data = join(folder, "sick-twin");
  const manifest = { ...sick.manifest };
  const twin = await publishApp({ blobFolder, version: manifest.version, services: ["x.service"] });
  await installBefore(data, [twin]);
}

/** Every moment the first time it comes, unless another scenario did that, and some repetitions. */
function chooseCuts(trace: readonly string[], repetitionCount: number): readonly string[] {
  const counts = new Map<string, number>();
  const repetitions: string[] = [];
  const cuts: string[] = [];
  for (const name of trace) {
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    if (count > 1) repetitions.push(`${name}#${count}`);
    else if (!covered.has(name)) cuts.push(name);
    covered.add(name);
  }
  let state = SEED;
  for (let drawn = 0; drawn < repetitionCount && repetitions.length > 0; drawn += 1) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    cuts.push(...repetitions.splice(state % repetitions.length, 1));
  }
  return cuts;
}

async function runChild(
  data: string,
  offer: OfferPayload,
  environment: { readonly [name: string]: string },
): Promise<ChildEnd> {
  return startChild({ data, blobFolder, offer, serviceHook, compileCache, environment }).ended;
}
