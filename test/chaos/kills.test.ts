// SPDX-License-Identifier: Apache-2.0
/**
 * The center and the gateways are killed again and again while rollouts go to a swarm, in every
 * window between deciding, writing and telling; then what everybody wrote is checked.
 *
 * MUSTER_CHAOS_DEVICES (500), MUSTER_CHAOS_KILLS of each role (25) and MUSTER_CHAOS_SEED change it.
 */
import assert from "node:assert/strict";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { Random } from "../../ports/random.ts";
import { systemClock } from "../../runtime/system-clock.ts";
import { checkAll } from "../../simulator/checkers/checkers.ts";
import type { History } from "../../simulator/checkers/history.ts";
import { SeededRandom } from "../../simulator/swarm/seeded-random.ts";
import { stateOf } from "../../simulator/checkers/read-rollouts.ts";
import { Fleet, mixedDevices, RELEASE, type Spec } from "./fleet.ts";
import { coverageLines, Killer, type Window } from "./killer.ts";

const DEVICE_COUNT = Number(process.env["MUSTER_CHAOS_DEVICES"] ?? "500");
const KILL_COUNT = Number(process.env["MUSTER_CHAOS_KILLS"] ?? "25");
const SEED = Number(process.env["MUSTER_CHAOS_SEED"] ?? "7");
const GATEWAYS = ["gw-1", "gw-2"];
/** Releases of which rollouts are made, in order; more than the kills need. */
const RELEASE_COUNT = 12;
/** Its health check fails on a hardware revision that some devices have. */
const BAD_RELEASE = 3;
/** How many of the kills may have happened by the end of each rollout; the bad one has its own. */
const KILL_SHARES: readonly number[] = [0.3, 0.6, 1];
/** It takes two minutes, and four on a machine at half the speed. */
const ROLLOUT_TIMEOUT_MS = 300_000;
const TEST_TIMEOUT_MS = 590_000;

const CENTER_WINDOWS: readonly Window[] = [
  { name: "center.reports.received", mostPasses: 20 },
  { name: "center.reports.appended", mostPasses: 20 },
  { name: "center.reports.acknowledged", mostPasses: 20 },
  { name: "center.loop.decided", mostPasses: 25 },
  { name: "center.loop.persisted", mostPasses: 25 },
  { name: "center.loop.acted", mostPasses: 25 },
  { name: "store.commit.before", mostPasses: 25 },
  { name: "store.commit.after", mostPasses: 25 },
  { name: "event-log.commit.before", mostPasses: 20 },
  { name: "event-log.commit.after", mostPasses: 20 },
];

const GATEWAY_WINDOWS: readonly Window[] = [
  { name: "gateway.report.received", mostPasses: 200 },
  { name: "gateway.report.batched", mostPasses: 15 },
  { name: "gateway.report.acknowledged", mostPasses: 15 },
  { name: "gateway.lease.received", mostPasses: 3 },
  { name: "gateway.lease.persisted", mostPasses: 3 },
  { name: "gateway.lease.offered", mostPasses: 60 },
  { name: "gateway.session.opened", mostPasses: DEVICE_COUNT / 2 },
  { name: "gateway.session.granted", mostPasses: DEVICE_COUNT / 2 },
];

const SPEC: Spec = {
  selector: "",
  waves: [2, 18, 40].map((value) => ({ kind: { case: "percent", value } })),
  maxInFlight: { kind: { case: "percent", value: 15 } },
  blastRadius: { kind: { case: "percent", value: 25 } },
  gate: {
    maxFailures: { kind: { case: "percent", value: 5 } },
    minSuccessPercent: 50,
    minSample: 10,
  },
  soakMs: 1_000n,
  deadlines: {
    reachMs: 6_000n,
    downloadMs: 30_000n,
    installMs: 30_000n,
    verifyMs: 30_000n,
    waitingMs: 30_000n,
    offlineGraceMs: 20_000n,
  },
};

/** One after the other until nobody is to be killed any more; says how they went. */
async function rollOut(fleet: Fleet, killers: readonly Killer[]): Promise<string[]> {
  const lines: string[] = [];
  const killCount = (): number => killers.reduce((sum, killer) => sum + killer.killCount, 0);
  for (let release = 1; release <= RELEASE_COUNT; release++) {
    // The bad release finds devices that run the one before it, and devices that do not.
    const selector = release === BAD_RELEASE - 1 ? "label.half = a" : "";
    const name = `${RELEASE}-${release}`;
    const killsBefore = killCount();
    for (const killer of killers) killer.allow(KILL_SHARES[release - 1] ?? 1);
    await fleet.startRollout(name, { ...SPEC, selector, release: `${RELEASE}@${release}.0.0` });
    const rollout = await fleet.rolloutEnd(name, ROLLOUT_TIMEOUT_MS);
    const seconds = Number(rollout.endedAtMs - rollout.startedAtMs) / 1_000;
    const kills = `${killCount() - killsBefore} kills`;
    const end = `${stateOf(rollout.state)} after ${seconds} s and ${kills}`;
    lines.push(`${name}: ${end}, ${rollout.stateReason}`);
    if (release >= BAD_RELEASE && killers.every(({ isDone }) => isDone)) break;
  }
  return lines;
}

/** The same draws from the same seed. */
function seeded(name: string): Random {
  return new SeededRandom({ seed: String(SEED), name });
}

/** For whoever looks into a violation; the installation itself is gone by then. */
async function keep(history: History): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "muster-chaos-history-"));
  const file = join(folder, `seed-${SEED}.json`);
  await writeFile(file, JSON.stringify(history));
  return file;
}

describe("center and gateways", { timeout: TEST_TIMEOUT_MS }, () => {
  it("keep every promise when they are killed in any window of a rollout", async (t) => {
    const startedAtMs = systemClock.monotonicMs();
    const seconds = (): string =>
      `${Math.round((systemClock.monotonicMs() - startedAtMs) / 1_000)} s`;
    await using fleet = await Fleet.start({
      devices: mixedDevices(
        DEVICE_COUNT,
        { good: 86, slow: 3, flaky: 4, crashing: 1, "bad-hardware": 6 },
        SEED,
      ),
      seed: SEED,
      gateways: GATEWAYS,
      pace: { installMs: [100, 500], checkMs: [50, 200], slowFactor: 5 },
      signal: t.signal,
    });
    for (let release = 1; release <= RELEASE_COUNT; release++) {
      await fleet.publish(`${release}.0.0`, release === BAD_RELEASE ? "rev-b" : "");
    }
    t.diagnostic(`seed ${SEED}: ${DEVICE_COUNT} devices are connected after ${seconds()}`);

    const center = new Killer({
      windows: CENTER_WINDOWS,
      killCount: KILL_COUNT,
      random: seeded("center"),
    });
    const gateway = new Killer({
      windows: GATEWAY_WINDOWS,
      killCount: KILL_COUNT,
      random: seeded("gateway"),
    });
    const { installation } = fleet;
    const centerVictim = {
      name: "center",
      process: () => installation.center,
      start: (environment: { [name: string]: string }) => installation.startCenter(environment),
    };
    const gatewayVictim = (id: string): typeof centerVictim => ({
      name: id,
      process: () => installation.gateways.get(id) ?? assert.fail(`${id} was started`),
      start: async (environment) => void (await installation.startGateway(id, environment)),
    });
    const trace = (name: string): string => installation.at(`${name}.trace`);
    const [lines] = await Promise.all([
      rollOut(fleet, [center, gateway]),
      center.haunt(centerVictim, trace("center"), t.signal),
      ...GATEWAYS.map((id) => gateway.haunt(gatewayVictim(id), trace(id), t.signal)),
    ]);
    t.diagnostic(`rollouts ended after ${seconds()}:`);
    for (const line of [...lines, ...coverageLines([center, gateway])]) t.diagnostic(`  ${line}`);
    t.diagnostic(`killed elsewhere: ${center.elsewhereCount + gateway.elsewhereCount}`);

    const history = await fleet.history();
    const violations = checkAll(history);
    if (violations.length > 0) t.diagnostic(`the history is kept: ${await keep(history)}`);
    assert.deepEqual(violations, []);
    for (const killer of [center, gateway]) {
      for (const [window, count] of killer.kills) assert.ok(count >= 2, `${window}: ${count}`);
    }
    assert.ok(
      history.rollouts.some(({ state }) => state === "rolled-back"),
      "the bad release was put back",
    );
    t.diagnostic(`checked after ${seconds()}`);
  });
});
