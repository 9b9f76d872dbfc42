// SPDX-License-Identifier: Apache-2.0
/**
 * Whether this process has more to do than time for, by one signal: the use of its event loop, a
 * quarter of a second at a time. It is overloaded above 0.9 and recovers below 0.7, so that what is
 * shed does not switch itself on and off.
 *
 * While it is overloaded, telemetry is shed: taken and forgotten. Heartbeats and reports never
 * are.
 */
import type { CancelTimer, Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";

const OVERLOADED_USE = 0.9;
const RECOVERED_USE = 0.7;
const CHECK_MS = 250;

export interface LoadLevelOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Part of the time since the last call in which the event loop was busy, from 0 to 1. */
  readonly loopUse: () => number;
}

export class LoadLevel {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #loopUse: () => number;
  #cancelTimer: CancelTimer | null = null;
  #isOverloaded = false;
  #use = 0;

  constructor(options: LoadLevelOptions) {
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#loopUse = options.loopUse;
  }

  get isOverloaded(): boolean {
    return this.#isOverloaded;
  }

  /** Of the loop's time, when it was last looked at: from 0 to 1. */
  get use(): number {
    return this.#use;
  }

  start(): void {
    this.#loopUse();
    this.#arm();
  }

  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  #arm(): void {
    this.#cancelTimer = this.#clock.setTimer(CHECK_MS, () => this.#check());
  }

  #check(): void {
    this.#use = this.#loopUse();
    const was = this.#isOverloaded;
    this.#isOverloaded = this.#use > (was ? RECOVERED_USE : OVERLOADED_USE);
    if (this.#isOverloaded && !was) this.#logger.warn("overloaded: telemetry is shed");
    if (!this.#isOverloaded && was) this.#logger.info("no longer overloaded");
    this.#arm();
  }
}
