// SPDX-License-Identifier: Apache-2.0
/**
 * How fast a counter grows, over the last few seconds: a rate since the beginning would hide that
 * something stands still now. Keeps a bounded number of samples.
 */
import type { Clock } from "../../ports/clock.ts";

/** Long enough to smooth batches of a second, short enough to notice a stop. */
const WINDOW_MS = 10_000;
/** Samples closer together than this are one. */
const SPACING_MS = WINDOW_MS / 40;

interface Sample {
  readonly atMs: number;
  readonly value: number;
}

export class RateMeter {
  readonly #clock: Clock;
  #samples: Sample[] = [];
  #value = 0;

  constructor(options: { clock: Clock }) {
    this.#clock = options.clock;
  }

  /** Notes the counter's value; a value below the last one starts anew. */
  record(value: number): void {
    const atMs = this.#clock.monotonicMs();
    if (value < this.#value) this.#samples = [];
    this.#value = value;
    const last = this.#samples.at(-1);
    if (last !== undefined && atMs - last.atMs < SPACING_MS) return;
    this.#samples.push({ atMs, value });
    this.#forget(atMs);
  }

  /** Growth a second; 0 until there is something to tell it by. */
  perSecond(): number {
    const nowMs = this.#clock.monotonicMs();
    this.#forget(nowMs);
    const [first] = this.#samples;
    if (first === undefined || nowMs <= first.atMs) return 0;
    return ((this.#value - first.value) * 1_000) / (nowMs - first.atMs);
  }

  /** Drops samples older than the window, but keeps one to measure from. */
  #forget(nowMs: number): void {
    while ((this.#samples[1]?.atMs ?? nowMs) < nowMs - WINDOW_MS) this.#samples.shift();
  }
}
