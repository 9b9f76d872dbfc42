// SPDX-License-Identifier: Apache-2.0
//
// Sixty pretended devices of every behaviour against a center and two gateways: what the center
// counts is what the devices did.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Rollout } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { OnStop } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import type { Behaviour, RunningSwarm } from "../../../simulator/swarm/swarm.ts";
import type { SwarmDeviceView } from "../../../simulator/swarm/swarm.ts";
import { startSwarm } from "../../../simulator/swarm/swarm.ts";
import { readJournals } from "../../../simulator/swarm/operation-journal.ts";
import { until } from "../../helpers/until.ts";
import { deviceIds, startSwarmFixture } from "./swarm-fixture.ts";
import type { SwarmFixture } from "./swarm-fixture.ts";

const COUNTS: { readonly [behaviour in Behaviour]: number } = {
  good: 30,
  slow: 4,
  flaky: 6,
  crashing: 4,
  silent: 3,
  lying: 3,
  offline: 6,
  "bad-hardware": 4,
  hesitant: 0,
};
const DEVICE_COUNT = 60;
const WORKING = COUNTS.good + COUNTS.slow + COUNTS.flaky + COUNTS["bad-hardware"];

const percent = (value: number) => ({ kind: { case: "percent", value } as const });

/** Everybody at once, and no gate: every device is to show what it does. */
const SPEC = {
  waves: [percent(100)],
  maxInFlight: percent(100),
  blastRadius: percent(100),
  gate: { maxFailures: percent(100), minSuccessPercent: 10, minSample: 1 },
  soakMs: 1_000n,
  onStop: OnStop.PAUSE,
  deadlines: {
    reachMs: 4_000n,
    downloadMs: 4_000n,
    waitingMs: 4_000n,
    installMs: 4_000n,
    verifyMs: 3_000n,
    offlineGraceMs: 5_000n,
  },
};

let fixture: SwarmFixture;
let swarm: RunningSwarm;

function started(tokens: readonly string[]): Promise<RunningSwarm> {
  return startSwarm({
    ...fixture.shared,
    deviceCount: DEVICE_COUNT,
    behaviours: COUNTS,
    seed: 7,
    tokens,
    dataDirectory: fixture.folder.join("swarm"),
    backoffCeilingMs: 2_000,
  });
}

async function rolledOut(version: string, failsOn: string): Promise<Rollout> {
  const { operator } = fixture;
  const argument = failsOn === "" ? [] : [`--fails-on=hwRevision:${failsOn}`];
  await operator.publishRelease({
    version,
    files: { VERSION: version, "bin/health": "#!/bin/sh\n", "share/data": version.repeat(50_000) },
    healthCheck: ["sh", "bin/health", ...argument],
  });
  await operator.startRollout(`app-${version}`, { release: `app@${version}`, ...SPEC });
  return operator.rolloutEnd(`app-${version}`);
}

function counts(rollout: Rollout): { readonly [state: string]: number } {
  const entries = Object.entries(rollout.progress?.byState ?? {});
  return Object.fromEntries(entries.filter(([, count]) => count > 0));
}

function of(behaviour: Behaviour): readonly SwarmDeviceView[] {
  return Array.from(swarm.devices()).filter((device) => device.behaviour === behaviour);
}

async function connected(deviceCount: number): Promise<void> {
  const { signal } = new AbortController();
  const reached = (): boolean => swarm.stats().connections >= deviceCount;
  await until(`${deviceCount} connections were made`, reached, { timeoutMs: 20_000, signal });
}

describe("a swarm", { timeout: 120_000 }, () => {
  let first: Rollout;
  let second: Rollout;

  before(async () => {
    fixture = await startSwarmFixture();
    swarm = await started(await fixture.tokens(deviceIds(DEVICE_COUNT)));
    await connected(DEVICE_COUNT - COUNTS.offline);
    first = await rolledOut("1.0.0", "");
    second = await rolledOut("2.0.0", "rev-b");
  });
  after(async () => {
    await swarm?.stop();
    await fixture?.[Symbol.asyncDispose]();
  });

  it("gives the shares of behaviours that it was asked for", () => {
    for (const behaviour of Object.keys(COUNTS) as Behaviour[]) {
      assert.equal(of(behaviour).length, COUNTS[behaviour], behaviour);
    }
  });

  it("makes a rollout end with the counts that its behaviours make", () => {
    const { "timed-out": timedOut = 0, lost = 0, ...others } = counts(first);
    assert.equal(timedOut + lost, COUNTS.silent, "silence is a failure");
    assert.deepEqual(others, {
      succeeded: WORKING,
      failed: COUNTS.lying,
      "rolled-back": COUNTS.crashing,
      unreachable: COUNTS.offline,
    });
  });

  it("lets a release fail on the hardware that its health check names", () => {
    const bad = COUNTS["bad-hardware"];
    assert.deepEqual(counts(second), {
      succeeded: WORKING - bad,
      failed: COUNTS.lying,
      "rolled-back": COUNTS.crashing + bad,
      unreachable: COUNTS.offline + COUNTS.silent,
    });
    const [good] = of("good");
    const [working] = of("bad-hardware");
    assert.notEqual(working?.digest, "");
    assert.notEqual(working?.digest, good?.digest);
    assert.deepEqual(
      working?.activations.map(({ kind }) => kind),
      ["activate", "activate", "restore"],
    );
  });

  it("shows what every device really runs, whatever it reported", () => {
    for (const behaviour of ["crashing", "silent", "lying", "offline"] as const) {
      for (const device of of(behaviour)) assert.equal(device.digest, "", device.id);
    }
    const { lies, silent, crashes, doubleActivations, untrustedOffers } = swarm.stats();
    assert.deepEqual(
      { lies, silent, crashes, doubleActivations, untrustedOffers },
      {
        lies: 2 * COUNTS.lying,
        silent: COUNTS.silent,
        crashes: 2 * COUNTS.crashing,
        doubleActivations: 0,
        untrustedOffers: 0,
      },
    );
  });

  it("spreads its devices over both gateways and comes back to them by TLS resumption", () => {
    for (const gateway of fixture.gateways) assert.ok(gateway.sessionCount() > 0);
    assert.ok(swarm.stats().resumedConnections > 0);
  });

  it("fetches the bytes of a release for every device that installs it", () => {
    assert.ok(swarm.stats().downloadBytes > (DEVICE_COUNT - COUNTS.offline) * 100);
  });

  it("writes down what it does, so that its journal and its counts agree", async () => {
    await swarm.stop();
    assert.equal(swarm.stats().connected, 0);
    const seen = new Map<string, number>();
    for await (const entry of readJournals(fixture.folder.join("swarm"))) {
      const isRepeat = entry.op === "report" && entry.isRepeat === true;
      if (!isRepeat) seen.set(entry.op, (seen.get(entry.op) ?? 0) + 1);
    }
    const { accepted, activations, restores, acknowledged, reports } = swarm.stats();
    assert.deepEqual(
      ["accept", "activate", "restore", "ack", "report"].map((op) => seen.get(op)),
      [accepted, activations, restores, acknowledged, reports],
    );
  });

  it("goes on without tokens where it was stopped", async () => {
    const running = new Map(Array.from(swarm.devices(), ({ id, digest }) => [id, digest]));
    await swarm.stop();
    swarm = await started([]);
    await connected(DEVICE_COUNT - COUNTS.offline);
    for (const { id, behaviour, digest, doubleActivations } of swarm.devices()) {
      // A start is what ends a silence: that device goes on with what it had accepted.
      if (behaviour !== "silent") assert.equal(digest, running.get(id), id);
      assert.equal(doubleActivations, 0);
    }
    assert.equal(swarm.stats().accepted, 0, "counts are those of this run");
  });

  it("moves to the other gateway when its own is gone", async () => {
    const [lost, kept] = fixture.gateways;
    assert.ok(lost !== undefined && kept !== undefined);
    const { signal } = new AbortController();
    const wanted = COUNTS.good + COUNTS.slow + COUNTS["bad-hardware"];
    await lost.stop();
    const together = (): boolean => kept.sessionCount() >= wanted;
    await until("the other gateway has them", together, { timeoutMs: 20_000, signal });
  });
});
