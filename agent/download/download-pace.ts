// SPDX-License-Identifier: Apache-2.0
/**
 * How fast one download may take bytes: the cap that its offer names, kept by the device itself as
 * well, also where the gateway does not. A pause saves nothing up: the device has no need to hurry.
 */
import { delay, type Clock } from "../../ports/clock.ts";

export class DownloadPace {
  readonly #clock: Clock;
  readonly #bytesPerSecond: number;
  /** When what came so far is paid for, on the monotonic clock. */
  #paidMs = -Infinity;

  /** `bytesPerSecond` 0 = as fast as it comes. */
  constructor(options: { clock: Clock; bytesPerSecond: number }) {
    this.#clock = options.clock;
    this.#bytesPerSecond = options.bytesPerSecond;
  }

  /** Resolves when the next bytes may be read; throws the signal's reason. */
  async took(byteCount: number, signal: AbortSignal): Promise<void> {
    if (this.#bytesPerSecond === 0) return;
    const nowMs = this.#clock.monotonicMs();
    this.#paidMs = Math.max(this.#paidMs, nowMs) + (byteCount * 1_000) / this.#bytesPerSecond;
    await delay(this.#clock, Math.ceil(this.#paidMs - nowMs), signal);
  }
}
