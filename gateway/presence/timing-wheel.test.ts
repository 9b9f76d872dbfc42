// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { TimingWheel } from "./timing-wheel.ts";

const TICK_MS = 250;

/** The same promises, kept the obvious way. */
class NaiveTimers {
  readonly #dueTick = new Map<number, number>();
  #currentTick = 0;

  schedule(slot: number, deadlineMs: number): void {
    const tick = Math.max(Math.ceil(deadlineMs / TICK_MS), this.#currentTick + 1);
    this.#dueTick.set(slot, tick);
  }

  cancel(slot: number): void {
    this.#dueTick.delete(slot);
  }

  advance(nowMs: number): number[] {
    this.#currentTick = Math.max(this.#currentTick, Math.floor(nowMs / TICK_MS));
    const due = [...this.#dueTick].filter(([, tick]) => tick <= this.#currentTick);
    for (const [slot] of due) this.#dueTick.delete(slot);
    return due.map(([slot]) => slot);
  }
}

function advanced(wheel: TimingWheel, nowMs: number): number[] {
  const fired: number[] = [];
  wheel.advance(nowMs, (slot) => fired.push(slot));
  return fired;
}

test("a wheel fires what a list of deadlines would fire, whatever the order of calls", () => {
  const command = fc.oneof(
    fc.record({
      kind: fc.constant("schedule" as const),
      slot: fc.nat(200),
      inMs: fc.integer({ min: -1_000, max: 200_000 }),
    }),
    fc.record({ kind: fc.constant("cancel" as const), slot: fc.nat(200) }),
    fc.record({
      kind: fc.constant("advance" as const),
      byMs: fc.oneof(fc.nat(1_000), fc.nat(200_000)),
    }),
  );
  fc.assert(
    fc.property(fc.array(command, { maxLength: 120 }), (commands) => {
      const wheel = new TimingWheel({ tickMs: TICK_MS, nowMs: 0 });
      const naive = new NaiveTimers();
      let nowMs = 0;
      for (const step of commands) {
        if (step.kind === "schedule") {
          wheel.schedule(step.slot, nowMs + step.inMs);
          naive.schedule(step.slot, nowMs + step.inMs);
        } else if (step.kind === "cancel") {
          wheel.cancel(step.slot);
          naive.cancel(step.slot);
        } else {
          nowMs += step.byMs;
          const fired = advanced(wheel, nowMs).toSorted((a, b) => a - b);
          assert.deepEqual(
            fired,
            naive.advance(nowMs).toSorted((a, b) => a - b),
          );
        }
      }
      nowMs += 1_000_000;
      assert.equal(advanced(wheel, nowMs).length, naive.advance(nowMs).length);
      assert.equal(wheel.scheduledCount, 0);
    }),
    { numRuns: 300 },
  );
});

test("a deadline never fires early, and within a tick of an advance that passes it", () => {
  const wheel = new TimingWheel({ tickMs: TICK_MS, nowMs: 0 });
  wheel.schedule(7, 1_001);
  assert.deepEqual(advanced(wheel, 1_249), []);
  assert.deepEqual(advanced(wheel, 1_250), [7]);
  assert.deepEqual(advanced(wheel, 9_999), []);
});

test("a callback may reschedule its own slot, and cancel one that is due with it", () => {
  const wheel = new TimingWheel({ tickMs: TICK_MS, nowMs: 0 });
  for (const slot of [1, 2, 3]) wheel.schedule(slot, 500);
  const fired: number[] = [];
  wheel.advance(500, (slot) => {
    fired.push(slot);
    wheel.schedule(slot, 0); // In the past: the next tick, not for ever in this one.
    for (const other of [1, 2, 3]) if (other !== slot) wheel.cancel(other);
  });
  assert.equal(fired.length, 1);
  assert.deepEqual(advanced(wheel, 750), fired);
});
