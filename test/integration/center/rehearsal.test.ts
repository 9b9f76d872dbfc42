// SPDX-License-Identifier: Apache-2.0
/** Rehearsals on a store of a hundred devices: what they say follows from plan and fleet. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { RehearsalThread } from "../../../center/rehearsal/rehearsal-thread.ts";
import type { Play, RehearsalScript } from "../../../center/rehearsal/rehearsal.ts";
import { makeScript } from "../../../center/rehearsal/script-maker.ts";
import { ReleaseIndex } from "../../../center/releases/release-index.ts";
import { draftRecord } from "../../../center/rollouts/rollout-record.ts";
import { DigestDictionary } from "../../../center/state/digest-dictionary.ts";
import { FleetTable } from "../../../center/state/fleet-table.ts";
import { RunningTable } from "../../../center/state/running-table.ts";
import { NO_BANDWIDTH } from "../../../domain/bandwidth.ts";
import { DEFAULT_SPEC, type RolloutSpec } from "../../../domain/rollout.ts";
import { specOf } from "../../../domain/testing/pure-rollout.ts";
import { openDirectSqliteStore } from "../../../engines/sqlite/direct-store.ts";
import { systemRandom } from "../../../runtime/system-random.ts";
import { VirtualClock } from "../../helpers/virtual-clock.ts";
import { seedStore, TENANT } from "./bench-records.ts";

const DEVICES = 100;
const { signal } = new AbortController();

async function scriptOf(spec: Partial<RolloutSpec>): Promise<RehearsalScript> {
  const clock = new VirtualClock();
  const store = openDirectSqliteStore({ path: ":memory:", clock });
  const ordinals = await seedStore(store, DEVICES);
  const fleet = new FleetTable({
    clock,
    isGatewayOnline: () => true,
    gapMs: 15_000,
    settleMs: 0,
    firstFence: 1,
  });
  for (const ordinal of ordinals) fleet.open(ordinal, 1);
  const releases = await ReleaseIndex.load(store, signal);
  const digests = await DigestDictionary.load(store, signal);
  const running = await RunningTable.load(store, signal);
  const record = draftRecord({
    number: 1,
    tenant: TENANT,
    name: "up",
    createdAtMs: 0,
    spec: specOf({
      waves: [{ percent: 10 }],
      maxInFlight: { percent: 20 },
      blastRadius: { percent: 20 },
      gate: { ...DEFAULT_SPEC.gate, maxFailures: { count: 4 }, minSuccessPercent: 50 },
      soakMs: 60_000,
      ...spec,
    }),
  });
  const script = await makeScript(
    {
      store,
      clock,
      random: systemRandom,
      releases,
      running: () => running,
      digests: () => digests,
      openRollouts: () => [],
      fleet,
      offerLifetimeMs: 60_000,
      leaseLifetimeMs: 30_000,
    },
    record,
    () => true,
    signal,
  );
  await store.close();
  return script;
}

async function playOf(script: RehearsalScript, brokenShare: number, seed = 1): Promise<Play> {
  const scenarios = [{ brokenShare, silentShare: 0, seed }];
  for await (const news of new RehearsalThread().run(script, scenarios, signal)) {
    if (news.kind === "play") return news.play;
  }
  return assert.fail("the rehearsal has a play");
}

describe("a rehearsal", () => {
  test("of a good release ends in success and reaches everybody", async () => {
    const play = await playOf(await scriptOf({}), 0);
    assert.deepEqual([play.state, play.exposed, play.failures], ["succeeded", DEVICES, 0]);
    assert(play.maxUnproven <= 20, `${play.maxUnproven} unproven`);
    // Ten devices, then ninety of which twenty are at work at once; installs take 30 to 90 s.
    assert(play.durationMs > 5 * (60_000 + 30_000), `${play.durationMs} ms`);
    assert(play.durationMs < 7 * (60_000 + 90_000), `${play.durationMs} ms`);
    assert.equal(play.timeline.at(-1)?.succeeded, DEVICES);
  });

  test("of a configuration is played as that of a release", async () => {
    const spec = { release: "settings@1", isConfiguration: true };
    const play = await playOf(await scriptOf(spec), 0);
    assert.deepEqual([play.state, play.exposed, play.failures], ["succeeded", DEVICES, 0]);
  });

  test("of a release that breaks everybody stops in the first wave", async () => {
    const play = await playOf(await scriptOf({}), 1);
    assert.equal(play.state, "rolled-back");
    assert.deepEqual([play.exposed, play.failures], [10, 10]);
    assert(play.offeredForMs < play.durationMs);
  });

  test("of half that falls silent counts those as lost, after their deadline", async () => {
    const { deadlines } = DEFAULT_SPEC;
    const script = await scriptOf({ onStop: "pause", deadlines });
    const scenarios = [{ brokenShare: 0.5, silentShare: 1, seed: 3 }];
    for await (const news of new RehearsalThread().run(script, scenarios, signal)) {
      if (news.kind !== "play") continue;
      assert.equal(news.play.state, "paused", news.play.stateReason);
      assert(news.play.durationMs > 30 * 60_000, "an install may take half an hour");
      return;
    }
  });

  test("knows caps of the bandwidth: downloads take as long as their bytes do", async () => {
    const MIB = 2 ** 20;
    const bandwidth = { ...NO_BANDWIDTH, gatewayBytesPerSecond: MIB };
    const script = await scriptOf({ bandwidth, deadlines: DEFAULT_SPEC.deadlines });
    assert.deepEqual([...script.model.transferBytes], Array(DEVICES).fill(1), "as the plan has it");
    assert.match(script.model.workSource, /, but downloads as the caps of the bandwidth allow$/);
    const play = async (bytes: number): Promise<Play> => {
      const transferBytes = new Float64Array(DEVICES).fill(bytes);
      return playOf({ ...script, model: { ...script.model, transferBytes } }, 0);
    };
    const [small, large] = [await play(1), await play(30 * MIB)];
    // A hundred times 30 s, one after the other; twenty in flight have 600 s each.
    assert(small.durationMs < 7 * (60_000 + 90_000), `${small.durationMs} ms`);
    assert(large.durationMs > DEVICES * 30_000, `${large.durationMs} ms`);
    assert(large.durationMs < 1.5 * DEVICES * 30_000, `${large.durationMs} ms`);
    assert.deepEqual([large.state, large.failures], ["succeeded", 0]);
  });

  test("says that a cap is too low for the deadline of downloads", async () => {
    const bandwidth = { ...NO_BANDWIDTH, deviceBytesPerSecond: 2 ** 20 };
    const script = await scriptOf({ bandwidth });
    const downloadSeconds = specOf().deadlines.downloadMs / 1_000;
    const transferBytes = new Float64Array(DEVICES).fill(2 * downloadSeconds * 2 ** 20);
    const play = await playOf({ ...script, model: { ...script.model, transferBytes } }, 0);
    assert.equal(play.failures > 0, true, play.stateReason);
    assert.equal(play.state, "rolled-back");
  });

  test("is the same for the same seed", async () => {
    const script = await scriptOf({});
    assert.deepEqual(await playOf(script, 0.05, 7), await playOf(script, 0.05, 7));
  });

  test("is refused while another one is under way", async () => {
    const script = await scriptOf({});
    const thread = new RehearsalThread();
    const scenarios = [{ brokenShare: 0, silentShare: 0, seed: 1 }];
    const first = thread.run(script, scenarios, signal);
    await first.next();
    await assert.rejects(thread.run(script, scenarios, signal).next(), { code: "unavailable" });
    await first.return(undefined);
    const again = thread.run(script, scenarios, signal);
    assert.equal((await again.next()).done, false);
    await again.return(undefined);
  });
});
