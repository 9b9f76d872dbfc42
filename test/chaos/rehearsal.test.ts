// SPDX-License-Identifier: Apache-2.0
/**
 * Rehearsals beside what they foretell: three good rollouts and a bad one on real
 * processes, each rehearsed first. A
 * rollout before them teaches the center how long installs take on this fleet. The tolerances are
 * promises to users (docs/guides/rehearsals.md), not measurements of this machine: most of a
 * rollout's time is soak and install, which the swarm waits out by the clock.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RolloutState, type RehearsalPlay } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { stateOf } from "../../simulator/checkers/read-rollouts.ts";
import { Fleet, mixedDevices, RELEASE, type Spec } from "./fleet.ts";

const DEVICES = 200;
const SEED = 11;
const END_TIMEOUT_MS = 240_000;
const TOLERANCE = 0.25;
/** Of the devices that are of the revision that some releases break on. */
const BROKEN_PERCENT = 10;

const LONG_DEADLINES = {
  reachMs: 60_000n,
  downloadMs: 120_000n,
  installMs: 60_000n,
  verifyMs: 60_000n,
  offlineGraceMs: 60_000n,
};

function spec(version: string, changes: Spec): Spec {
  return {
    release: `${RELEASE}@${version}`,
    deadlines: LONG_DEADLINES,
    waves: [{ kind: { case: "percent", value: 10 } }],
    maxInFlight: { kind: { case: "percent", value: 25 } },
    blastRadius: { kind: { case: "percent", value: 25 } },
    soakMs: 4_000n,
    ...changes,
  };
}

async function rehearse(fleet: Fleet, name: string, asked: Spec): Promise<RehearsalPlay[]> {
  const { client, call } = fleet.installation.session;
  const brokenPercents = [name === "bad" ? BROKEN_PERCENT : 0];
  const request = { name, spec: asked, brokenPercents, runCount: 20 };
  const plays: RehearsalPlay[] = [];
  for await (const { kind } of client.rehearseRollout(request, call)) {
    if (kind.case === "play") plays.push(kind.value);
  }
  return plays;
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}

describe("a rehearsal", { timeout: END_TIMEOUT_MS * 4 }, () => {
  it("foretells how long real rollouts take, and whom they reach", async (t) => {
    const weights = { good: 100 - BROKEN_PERCENT, "bad-hardware": BROKEN_PERCENT };
    await using fleet = await Fleet.start({
      devices: mixedDevices(DEVICES, weights, SEED),
      seed: SEED,
      gateways: ["gw-1", "gw-2"],
      pace: { installMs: [1_500, 4_000], checkMs: [200, 600] },
      signal: t.signal,
    });
    await fleet.publish("1.0.0");
    await fleet.startRollout("first", spec("1.0.0", {}));
    assert.equal((await fleet.rolloutEnd("first", END_TIMEOUT_MS)).state, RolloutState.SUCCEEDED);

    const cases: readonly { name: string; version: string; failsOn: string; changes: Spec }[] = [
      { name: "brisk", version: "2.0.0", failsOn: "", changes: {} },
      {
        name: "careful",
        version: "3.0.0",
        failsOn: "",
        changes: {
          waves: [
            { kind: { case: "percent", value: 5 } },
            { kind: { case: "percent", value: 30 } },
          ],
          maxInFlight: { kind: { case: "count", value: 40 } },
          soakMs: 5_000n,
        },
      },
      {
        name: "narrow",
        version: "3.1.0",
        failsOn: "",
        changes: { waves: [{ kind: { case: "count", value: 2 } }], soakMs: 1_000n },
      },
      {
        name: "bad",
        version: "4.0.0",
        failsOn: "rev-b",
        changes: { gate: { maxFailures: { kind: { case: "count", value: 3 } } } },
      },
    ];
    for (const { name, version, failsOn, changes } of cases) {
      await fleet.publish(version, failsOn);
      const asked = spec(version, changes);
      const plays = await rehearse(fleet, name, asked);
      await fleet.startRollout(name, asked);
      const real = await fleet.rolloutEnd(name, END_TIMEOUT_MS);
      const realMs = Number(real.endedAtMs - real.startedAtMs);
      const foretoldMs = medianOf(plays.map(({ durationMs }) => Number(durationMs)));
      const exposures = plays.map(({ exposed }) => exposed);
      const [low, high] = [Math.min(...exposures), Math.max(...exposures)];
      const exposed = real.progress?.exposed ?? 0;
      t.diagnostic(
        `${name}: ${stateOf(real.state)} after ${realMs} ms, foretold ${foretoldMs} ms ` +
          `(${(realMs / foretoldMs).toFixed(2)}); reached ${exposed}, foretold ${low} to ${high}`,
      );
      assert(
        plays.every(({ state }) => state === real.state),
        `${name} ends as it was rehearsed`,
      );
      // When a bad release is found out is chance; how long a good one takes is not.
      const isClose = failsOn !== "" || Math.abs(foretoldMs / realMs - 1) <= TOLERANCE;
      assert(isClose, `${name}: foretold ${foretoldMs} ms, took ${realMs} ms`);
      assert(low <= exposed && exposed <= high, `${name}: ${exposed} of ${low} to ${high}`);
    }
  });
});
