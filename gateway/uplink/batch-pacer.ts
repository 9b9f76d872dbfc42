// SPDX-License-Identifier: Apache-2.0
/**
 * When a batch goes: when it is full, or when its first element has waited long enough. One timer a
 * batch, none an element.
 */
import type { CancelTimer, Clock } from "../../ports/clock.ts";

export interface BatchPacerOptions {
  readonly clock: Clock;
  /** Longest wait of the first element, ms. */
  readonly maxDelayMs: number;
  readonly maxCount: number;
  /** Called when a batch is due. */
  readonly onDue: () => void;
}

export class BatchPacer {
  readonly #clock: Clock;
  readonly #maxDelayMs: number;
  readonly #maxCount: number;
  readonly #onDue: () => void;
  #cancelTimer: CancelTimer | null = null;
  #isDue = false;

  constructor(options: BatchPacerOptions) {
    this.#clock = options.clock;
    this.#maxDelayMs = options.maxDelayMs;
    this.#maxCount = options.maxCount;
    this.#onDue = options.onDue;
  }

  get isDue(): boolean {
    return this.#isDue;
  }

  /** `count` elements wait now, more than before. */
  added(count: number): void {
    if (this.#isDue) return;
    if (count >= this.#maxCount) this.#due();
    else if (count > 0) {
      this.#cancelTimer ??= this.#clock.setTimer(this.#maxDelayMs, () => this.#due());
    }
  }

  /** A batch was taken; `count` elements are left. */
  taken(count: number): void {
    this.stop();
    this.added(count);
  }

  /** Makes what waits due at once. */
  hurry(): void {
    this.#due();
  }

  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#isDue = false;
  }

  #due(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#isDue = true;
    this.#onDue();
  }
}
