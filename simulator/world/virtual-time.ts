// SPDX-License-Identifier: Apache-2.0
/**
 * The time of a simulated world: a queue of what is due, and two clocks that stand at the time of
 * what was taken from it last. Of two things due at one time the one that was set first goes first,
 * so one seed gives one order.
 *
 * Between two things every promise settles (`settle`): real code that awaits runs to its next wait
 * on time before time moves on. What it does meanwhile takes no time at all.
 */
import { assert } from "../../domain/assert.ts";
import type { CancelTimer, Clock } from "../../ports/clock.ts";

/** 2026-01-01T00:00:00Z. */
const FIRST_WALL_MS = 1_767_225_600_000;
/** Longer chains of `setImmediate` go on beside what is due next, always in the same order. */
const TURNS = 2;

interface Due {
  readonly atMs: number;
  readonly serial: number;
  callback: (() => void) | null;
}

export class VirtualTime implements Clock {
  /** A binary heap, earliest first. */
  private readonly heap: Due[] = [];
  private nowMs = 0;
  private serial = 0;

  monotonicMs(): number {
    return this.nowMs;
  }

  wallMs(): number {
    return FIRST_WALL_MS + Math.floor(this.nowMs);
  }

  setTimer(delayMs: number, callback: () => void): CancelTimer {
    assert(delayMs >= 0 && delayMs < 2 ** 31, `a timer of ${delayMs} ms is in range`);
    const due: Due = { atMs: this.nowMs + delayMs, serial: this.serial++, callback };
    this.heap.push(due);
    this.rise();
    return () => {
      due.callback = null;
    };
  }

  /** Does what is due next, and lets everything settle; false when that is after `endMs`. */
  async step(endMs: number): Promise<boolean> {
    while (this.heap[0]?.callback === null) this.pop();
    const first = this.heap[0];
    if (first === undefined || first.atMs > endMs) return false;
    this.pop();
    this.nowMs = first.atMs;
    first.callback?.();
    await this.settle();
    return true;
  }

  /** Returns when no promise is left that waits for nothing but its turn. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < TURNS; turn++) await new Promise((next) => setImmediate(next));
  }

  private rise(): void {
    for (let at = this.heap.length - 1; at > 0;) {
      const parent = (at - 1) >> 1;
      if (!this.isBefore(at, parent)) return;
      this.swap(at, parent);
      at = parent;
    }
  }

  private pop(): void {
    this.swap(0, this.heap.length - 1);
    this.heap.pop();
    for (let at = 0; ;) {
      const left = 2 * at + 1;
      let first = at;
      for (const child of [left, left + 1]) if (this.isBefore(child, first)) first = child;
      if (first === at) return;
      this.swap(at, first);
      at = first;
    }
  }

  private isBefore(one: number, other: number): boolean {
    const [a, b] = [this.heap[one], this.heap[other]];
    if (a === undefined || b === undefined) return false;
    return a.atMs < b.atMs || (a.atMs === b.atMs && a.serial < b.serial);
  }

  private swap(one: number, other: number): void {
    const [a, b] = [this.heap[one], this.heap[other]];
    if (a === undefined || b === undefined) return;
    this.heap[one] = b;
    this.heap[other] = a;
  }
}
