// SPDX-License-Identifier: Apache-2.0
/**
 * What must hold after every event of a history: the invariants of the rollout's semantics, judged
 * by what the devices truly did where that is more than the center knows.
 */
import assert from "node:assert/strict";
import { ATTEMPT, ATTEMPT_STATES, CELL_FLAGS, isTerminal, isUnderWay } from "../attempt.ts";
import { isEnded, type RolloutState } from "../rollout.ts";
import type { RolloutEvent } from "../rollout-engine.ts";
import type { Offer, PureCenter } from "./pure-center.ts";
import type { PretendDevice } from "./pretend-device.ts";
import type { PureRollout } from "./pure-rollout.ts";

const NEXT_STATES: { readonly [State in RolloutState]: readonly RolloutState[] } = {
  draft: [],
  planned: ["running"],
  running: ["paused", "stopping", "succeeded"],
  paused: ["running", "stopping"],
  stopping: ["stopping", "stopped", "expired", "rolling-back"],
  "rolling-back": ["rolled-back", "stopped"],
  succeeded: ["stopping"],
  stopped: ["stopping"],
  "rolled-back": [],
  expired: ["stopping"],
};

export class HistoryChecks {
  private readonly generations = new Map<string, number>();
  private readonly before = new Map<string, { generation: number; state: number }>();

  /** A transition is one of the graph, epoch and clock only grow, a wave opens after its gate. */
  stepped(rollout: PureRollout, before: PureRollout["progress"], event: RolloutEvent): void {
    const after = rollout.progress;
    if (after.state !== before.state) {
      const allowed = NEXT_STATES[before.state].includes(after.state);
      assert(allowed, `${before.state} → ${after.state} on ${event.kind}`);
    }
    assert(after.stopEpoch >= before.stopEpoch, "the stop epoch went back");
    assert(after.clockMs >= before.clockMs, "the clock went back");
    assert(after.waveCount - before.waveCount <= 1, "two waves opened at once");
    if (after.waveCount > before.waveCount && event.kind === "tick" && before.waveCount === 0) {
      assert(event.wallMs >= rollout.frame.spec.notBeforeMs, "a rollout began before its time");
    }
    if (after.waveCount > before.waveCount && before.waveCount > 0) {
      checkGate(rollout, before.waveCount - 1, after.clockMs - before.waveOpenedAtMs);
    }
  }

  /**
   * Within an open wave, of a rollout that runs, under the newest epoch and a newer generation,
   * between `notBefore` and `expires`.
   */
  offered({ rollout, position, device, generation, stopEpoch }: Offer, wallMs: number): void {
    const { expiresAtMs } = rollout.frame.spec;
    assert(expiresAtMs === 0 || wallMs < expiresAtMs, "an offer of a rollout that has expired");
    assert.equal(rollout.progress.state, "running", "an offer of a rollout that does not run");
    assert.equal(stopEpoch, rollout.progress.stopEpoch, "an offer of an older epoch");
    assert(position < rollout.releasedEnd, "an offer of a wave that is not open");
    const key = `${rollout.number}/${device}`;
    assert(generation >= (this.generations.get(key) ?? 1), "an offer of an older generation");
    this.generations.set(key, generation);
  }

  everything(center: PureCenter, devices: readonly PretendDevice[]): void {
    for (const rollout of center.rollouts) {
      checkRollout(rollout, devices);
      this.changes(rollout, center);
    }
    for (const { number, acceptedGenerations } of devices) {
      const sorted = [...new Set(acceptedGenerations)].sort((a, b) => a - b);
      assert.deepEqual(acceptedGenerations, sorted, `device ${number} went back a generation`);
    }
  }

  /** Nobody goes back a phase, and of whom nothing can be known nothing is said. */
  private changes(rollout: PureRollout, center: PureCenter): void {
    const { page } = rollout;
    rollout.devices.forEach((device, position) => {
      const key = `${rollout.number}/${position}`;
      const state = page.state[position] ?? 0;
      const flags = page.flags[position] ?? 0;
      const generation = page.generation[position] ?? 0;
      const before = this.before.get(key);
      this.before.set(key, { generation, state });
      const silent = state === ATTEMPT.lost || state === ATTEMPT["timed-out"];
      const isBad = silent || state === ATTEMPT.failed;
      assert(!isBad || (flags & CELL_FLAGS.failed) !== 0, "a failure that does not count");
      if (before === undefined || before.state === state) return;
      const isUnknown = center.told[device]?.presence === "unknown";
      assert(!silent || !isUnknown, `position ${position} is ${ATTEMPT_STATES[state]}, unheard`);
      // One that was given up and found to have done it may still tell how.
      const wasGivenUp = (flags & CELL_FLAGS.failed) !== 0;
      if (before.generation !== generation || wasGivenUp || !isUnderWay(state)) return;
      assert(!isUnderWay(before.state) || before.state < state, `position ${position} went back`);
    });
  }
}

function checkGate(rollout: PureRollout, wave: number, openForMs: number): void {
  const counts = rollout.counts[wave];
  assert(counts !== undefined);
  const of = (state: keyof typeof ATTEMPT): number => counts.byState[ATTEMPT[state]] ?? 0;
  let underWay = 0;
  for (let state = ATTEMPT.accepted; state <= ATTEMPT.verifying; state++) {
    underWay += counts.byState[state] ?? 0;
  }
  assert.equal(underWay, 0, "a wave opened while attempts of its predecessor were under way");
  const { spec } = rollout.frame;
  if (of("pending") + of("offered") > 0) {
    assert(openForMs >= spec.deadlines.reachMs, "a wave opened within its predecessor's reach");
  }
  const bad = of("failed") + of("rolled-back") + of("timed-out") + of("lost");
  const newlyBad = Math.min(bad, rollout.total.failures - rollout.progress.forgivenFailures);
  const share = spec.gate.minSuccessPercent / 100;
  const hasPassed = of("succeeded") >= share * (of("succeeded") + newlyBad);
  assert(hasPassed, "a wave opened past a gate that had not passed");
}

function checkRollout(rollout: PureRollout, devices: readonly PretendDevice[]): void {
  const { total, progress, page, frame } = rollout;
  const size = rollout.devices.length;
  const sum = total.byState.reduce((all, count) => all + count, 0);
  assert.equal(sum, size, "the counts by state add up to the plan");
  assert(total.exposed >= total.failures, "only what has accepted can have failed");
  let inFlight = 0;
  let open = 0;
  for (let position = 0; position < size; position++) {
    const state = page.state[position] ?? 0;
    const wasGivenUp = ((page.flags[position] ?? 0) & CELL_FLAGS.failed) !== 0;
    if (!isTerminal(state)) open++;
    // One that was given up has lost its place; when it goes on all the same, it took none anew.
    if (!wasGivenUp && (state === ATTEMPT.offered || isUnderWay(state))) inFlight++;
    const isBeyond = position >= rollout.releasedEnd && progress.waveCount > 0;
    const untouched = state === ATTEMPT.pending || state === ATTEMPT.cancelled;
    assert(!isBeyond || untouched, `position ${position} moved before its wave opened`);
  }
  assert(inFlight <= frame.limits.maxInFlight, `${inFlight} in flight`);
  if (isEnded(progress.state)) assert.equal(open, 0, "an ended rollout has open attempts");
  if (frame.isRollback) return;
  assert(total.unproven <= frame.limits.blastRadius, `${total.unproven} unproven`);
  const unproven = devices.filter((device) => isTrulyUnproven(rollout, device)).length;
  assert(unproven <= frame.limits.blastRadius, `${unproven} are in truth unproven`);
}

/** It took the release up, and is neither proven nor done with it and on what it ran before. */
function isTrulyUnproven(rollout: PureRollout, device: PretendDevice): boolean {
  const { work } = device;
  if (work === null || work.offer.rollout !== rollout) return false;
  if (rollout.page.state[work.offer.position] === ATTEMPT.succeeded) return false;
  return !work.ended || device.runs !== work.before;
}
