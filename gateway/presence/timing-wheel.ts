// SPDX-License-Identifier: Apache-2.0
/**
 * One hashed timing wheel for all deadlines of a gateway: a million timers cost two words and a
 * number each, setting one moves no memory, and a tick looks at one bucket. (A timer object per
 * connection costs 150–200 bytes, and with jittered durations a heap of lists.)
 *
 * An entry is a slot. Its bucket is its deadline in ticks modulo the wheel's size; entries of a
 * later round stay in their bucket until it is theirs. A deadline fires at the first `advance` at
 * or after the end of its tick: never early, and late by less than a tick plus the caller's own
 * lateness.
 */
import assert from "node:assert/strict";
import { grown } from "../columns.ts";

const NONE = -1;
/** A power of two; at 250 ms a tick one round is 64 s, over every deadline of a gateway. */
const BUCKET_COUNT = 256;
const FIRST_CAPACITY = 64;

export class TimingWheel {
  readonly tickMs: number;
  readonly #heads = new Int32Array(BUCKET_COUNT).fill(NONE);
  #next: Int32Array = new Int32Array(FIRST_CAPACITY).fill(NONE);
  #previous: Int32Array = new Int32Array(FIRST_CAPACITY).fill(NONE);
  /** Tick at which the slot fires; `NONE` when it is not scheduled. */
  #deadlineTick: Float64Array = new Float64Array(FIRST_CAPACITY).fill(NONE);
  /** Every tick up to this one has fired. */
  #currentTick: number;
  #scheduledCount = 0;

  constructor(options: { tickMs: number; nowMs: number }) {
    assert(options.tickMs > 0, "a tick takes time");
    this.tickMs = options.tickMs;
    this.#currentTick = Math.floor(options.nowMs / options.tickMs);
  }

  get scheduledCount(): number {
    return this.#scheduledCount;
  }

  /** Sets or moves the deadline of a slot. One in the past fires at the next tick. */
  schedule(slot: number, deadlineMs: number): void {
    this.cancel(slot);
    this.#reserve(slot);
    const tick = Math.max(Math.ceil(deadlineMs / this.tickMs), this.#currentTick + 1);
    this.#deadlineTick[slot] = tick;
    const bucket = tick & (BUCKET_COUNT - 1);
    const head = this.#heads[bucket] as number;
    this.#next[slot] = head;
    this.#previous[slot] = NONE;
    if (head !== NONE) this.#previous[head] = slot;
    this.#heads[bucket] = slot;
    this.#scheduledCount += 1;
  }

  /** Does nothing when the slot has no deadline. */
  cancel(slot: number): void {
    const tick = this.#deadlineTick[slot] ?? NONE;
    if (tick === NONE) return;
    const next = this.#next[slot] as number;
    const previous = this.#previous[slot] as number;
    if (next !== NONE) this.#previous[next] = previous;
    if (previous !== NONE) this.#next[previous] = next;
    else this.#heads[tick & (BUCKET_COUNT - 1)] = next;
    this.#deadlineTick[slot] = NONE;
    this.#scheduledCount -= 1;
  }

  isScheduled(slot: number): boolean {
    return (this.#deadlineTick[slot] ?? NONE) !== NONE;
  }

  /**
   * Calls `onDue` once for each slot whose deadline has come; the slot is off the wheel by then.
   * `onDue` may schedule and cancel any slot, this one too.
   */
  advance(nowMs: number, onDue: (slot: number) => void): void {
    const targetTick = Math.floor(nowMs / this.tickMs);
    if (targetTick <= this.#currentTick) return;
    // After a long pause each bucket is looked at once, not once a tick.
    const steps = Math.min(targetTick - this.#currentTick, BUCKET_COUNT);
    const firstTick = this.#currentTick + 1;
    // Before the callbacks, so that a deadline they set in the past lands in the future.
    this.#currentTick = targetTick;
    const due: number[] = [];
    for (let step = 0; step < steps; step += 1) {
      const bucket = (firstTick + step) & (BUCKET_COUNT - 1);
      for (let slot = this.#heads[bucket] as number; slot !== NONE;) {
        if ((this.#deadlineTick[slot] as number) <= targetTick) due.push(slot);
        slot = this.#next[slot] as number;
      }
    }
    for (const slot of due) {
      // A callback before this one may have cancelled or moved it.
      const tick = this.#deadlineTick[slot] as number;
      if (tick === NONE || tick > targetTick) continue;
      this.cancel(slot);
      onDue(slot);
    }
  }

  #reserve(slot: number): void {
    let capacity = this.#next.length;
    if (slot < capacity) return;
    while (capacity <= slot) capacity *= 2;
    this.#next = grown(this.#next, new Int32Array(capacity).fill(NONE));
    this.#previous = grown(this.#previous, new Int32Array(capacity).fill(NONE));
    this.#deadlineTick = grown(this.#deadlineTick, new Float64Array(capacity).fill(NONE));
  }
}
