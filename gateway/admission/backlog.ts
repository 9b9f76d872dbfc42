// SPDX-License-Identifier: Apache-2.0
/**
 * Whether more waits for the center than it takes, by one signal: how many things this process has
 * to say to it, or has said and not heard of. Looked at four times a second:
 *
 *     within the limit → (above it for 1 s) → exceeded → (at half of it for 5 s) → within the limit
 *
 * The second lets a burst pass: after a break of the uplink everybody is announced at once. Half,
 * and five seconds, keep a backlog that goes down and up again from telling devices each time.
 */
import type { CancelTimer, Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";

const CHECK_MS = 250;
const EXCEEDED_AFTER_MS = 1_000;
const OVER_AFTER_MS = 5_000;
const OVER_PART = 0.5;

export interface BacklogListener {
  backlogExceeded(): void;
  backlogOver(): void;
}

export interface BacklogOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** More than so many is too many. */
  readonly limit: number;
  /** What waits now. */
  readonly count: () => number;
  readonly listener: BacklogListener;
}

export class Backlog {
  readonly #options: BacklogOptions;
  #cancelTimer: CancelTimer | null = null;
  #isExceeded = false;
  /** Since when the count speaks for the other state; null: it does not. */
  #turningSinceMs: number | null = null;

  constructor(options: BacklogOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#options.count();
  }

  get isExceeded(): boolean {
    return this.#isExceeded;
  }

  start(): void {
    this.#cancelTimer = this.#options.clock.setTimer(CHECK_MS, () => {
      this.#check();
      this.start();
    });
  }

  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  #check(): void {
    const { clock, limit, count } = this.#options;
    const waiting = count();
    const isTurning = this.#isExceeded ? waiting <= limit * OVER_PART : waiting > limit;
    if (!isTurning) {
      this.#turningSinceMs = null;
      return;
    }
    const nowMs = clock.monotonicMs();
    this.#turningSinceMs ??= nowMs;
    const turnsAfterMs = this.#isExceeded ? OVER_AFTER_MS : EXCEEDED_AFTER_MS;
    if (nowMs - this.#turningSinceMs >= turnsAfterMs) this.#turn(waiting);
  }

  #turn(waiting: number): void {
    const { logger, limit, listener } = this.#options;
    this.#turningSinceMs = null;
    this.#isExceeded = !this.#isExceeded;
    if (this.#isExceeded) {
      logger.warn("too much waits for the center: devices are to report less often", {
        waiting,
        limit,
      });
      listener.backlogExceeded();
    } else {
      logger.info("the center keeps up again: devices are to report as usual", { waiting, limit });
      listener.backlogOver();
    }
  }
}
