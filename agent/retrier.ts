// SPDX-License-Identifier: Apache-2.0
/**
 * Repeats what must succeed in the end (the journal, the way back), with full jitter and a growing,
 * bounded pause. It ends with success or with the signal.
 */
import { AssertionError } from "node:assert";
import type { Clock } from "../ports/clock.ts";
import { delay } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import type { Random } from "../ports/random.ts";

const FIRST_PAUSE_MS = 1_000;
/**
 * Long enough not to wear a full disk down, short enough that freed space is used within minutes.
 */
const LONGEST_PAUSE_MS = 60_000;

export class Retrier {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logger: Logger;

  constructor(options: { clock: Clock; random: Random; logger: Logger }) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#logger = options.logger;
  }

  async untilDone<T>(what: string, action: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      signal.throwIfAborted();
      try {
        return await action();
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof AssertionError) throw error; // A bug, and no patience mends it.
        this.#logger.error("Something that must succeed failed; it is tried again.", {
          what,
          error,
        });
        await delay(this.#clock, this.#random.next() * pauseMs, signal);
      }
    }
  }

  /** One pause before the next try of something that has its own loop. */
  pause(signal: AbortSignal): Promise<void> {
    return delay(this.#clock, this.#random.next() * LONGEST_PAUSE_MS, signal);
  }
}
