// SPDX-License-Identifier: Apache-2.0
/**
 * When to try the next connection: full jitter (a uniform pause between 0 and a cap), so that a
 * fleet that lost its gateway does not come back in step. The caps are 1, 2, 4, 8 s, then the
 * ceiling, for ever: a daemon never gives up. The fourth failure in a row is the one to tell the
 * layer above.
 */
import type { Random } from "../../ports/random.ts";

export const FIRST_CAPS_MS: readonly number[] = [1_000, 2_000, 4_000, 8_000];
export const DEFAULT_CEILING_MS = 60_000;

export interface BackoffPause {
  readonly delayMs: number;
  /** Failures in a row, this one included. */
  readonly failureCount: number;
  /** True once an outage: after the fourth failure. */
  readonly isExhausted: boolean;
}

export class Backoff {
  readonly #random: Random;
  readonly #ceilingMs: number;
  #failureCount = 0;

  constructor(options: { random: Random; ceilingMs?: number }) {
    this.#random = options.random;
    this.#ceilingMs = options.ceilingMs ?? DEFAULT_CEILING_MS;
  }

  /** Counts a failure and says how long to pause. */
  fail(): BackoffPause {
    const capMs = Math.min(FIRST_CAPS_MS[this.#failureCount] ?? this.#ceilingMs, this.#ceilingMs);
    this.#failureCount += 1;
    const isExhausted = this.#failureCount === FIRST_CAPS_MS.length;
    const delayMs = this.#random.next() * capMs;
    return { delayMs, failureCount: this.#failureCount, isExhausted };
  }

  /** A connection has held. */
  reset(): void {
    this.#failureCount = 0;
  }
}
