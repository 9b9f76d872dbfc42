// SPDX-License-Identifier: Apache-2.0
/**
 * How often the gateway of this connection wants heartbeats at most. What it says holds for as long
 * as it says, and not beyond the connection: the next gateway may have no reason for it.
 */
import type { CancelTimer, Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import { readPace, type Pace } from "../../protocol/device/pace.ts";

export class HeartbeatPace {
  readonly #clock: Clock;
  readonly #logger: Logger;
  #leastMs = 0;
  #cancelEnd: CancelTimer = () => {};
  #changed: () => void = () => {};

  constructor(options: { clock: Clock; logger: Logger }) {
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  /** Heartbeats are at least so far apart, ms; 0: the gateway has no wish. */
  get leastMs(): number {
    return this.#leastMs;
  }

  /** A message on `down/config`; one that says something else, or nothing, changes nothing. */
  hear(payload: Uint8Array): void {
    const pace = readPace(payload);
    if (pace !== null) this.take(pace);
  }

  take({ heartbeatIntervalMs, validMs }: Pace): void {
    this.#cancelEnd();
    if (validMs === 0) return this.#change(0);
    this.#cancelEnd = this.#clock.setTimer(validMs, () => this.#change(0));
    this.#change(heartbeatIntervalMs);
  }

  /** The connection is over. */
  reset(): void {
    this.#cancelEnd();
    this.#change(0);
  }

  /** Calls back when `leastMs` has changed; one listener. Returns how to stop. */
  onChange(listener: () => void): () => void {
    this.#changed = listener;
    return () => {
      this.#changed = () => {};
    };
  }

  #change(leastMs: number): void {
    if (leastMs === this.#leastMs) return;
    this.#leastMs = leastMs;
    if (leastMs > 0) this.#logger.info("The gateway wants fewer heartbeats.", { leastMs });
    else this.#logger.info("Heartbeats are as usual again.");
    this.#changed();
  }
}
