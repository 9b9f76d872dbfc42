// SPDX-License-Identifier: Apache-2.0
/**
 * Keeps working time honest: asks the center for a signed time when the device's own clock is in
 * doubt (it is behind what is known to have passed, or no gateway can be reached: a clock years
 * ahead makes every certificate look expired), and keeps the floor on disk.
 */
import { describeError, isMusterError } from "../domain/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import type { Random } from "../ports/random.ts";
import type { OfferKeys } from "../protocol/device/enrolment.ts";
import type { Files } from "./files/files.ts";
import { readTimeFloor, writeTimeFloor } from "./time-floor.ts";
import type { ProxyFor } from "./link/proxy-rules.ts";
import { synchroniseTime } from "./trust/est-client.ts";
import { WorkingTime } from "./trust/working-time.ts";

/** A fleet in an outage must not turn into a storm of questions about the time. */
const ASK_INTERVAL_MS = 300_000;

export interface TimeKeeperOptions {
  readonly files: Files;
  /** Of the floor. */
  readonly path: string;
  readonly enrolmentUrl: string;
  readonly proxyFor: ProxyFor | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** What a signed time is checked against. */
export interface TimeAnchors {
  readonly caPem: string;
  /** Null while none are known: then nobody can be believed. */
  readonly keys: OfferKeys | null;
}

export class TimeKeeper {
  readonly workingTime: WorkingTime;
  readonly #options: TimeKeeperOptions;
  #keptFloorMs: number;
  #askedMs = -Infinity;

  constructor(options: TimeKeeperOptions & { floorMs: number }) {
    this.#options = options;
    this.#keptFloorMs = options.floorMs;
    this.workingTime = new WorkingTime(options);
  }

  /** True when the device's own clock says less than what is known to have passed. */
  get isClockBehind(): boolean {
    return this.#options.clock.wallMs() < this.workingTime.floorMs;
  }

  /** Best effort, and not more often than every five minutes. */
  async askCenter(anchors: TimeAnchors, signal: AbortSignal): Promise<void> {
    const { enrolmentUrl, proxyFor, random, clock, logger } = this.#options;
    const { caPem, keys } = anchors;
    if (keys === null || clock.monotonicMs() - this.#askedMs < ASK_INTERVAL_MS) return;
    this.#askedMs = clock.monotonicMs();
    const { workingTime } = this;
    try {
      const center = { enrolmentUrl, proxyFor, caPem };
      await synchroniseTime({ ...center, keys, workingTime, random, signal });
      const workingTimeMs = workingTime.nowMs();
      logger.info("Took the time from the center.", { workingTimeMs, wallMs: clock.wallMs() });
      await this.keepFloor();
    } catch (error) {
      signal.throwIfAborted();
      if (!isMusterError(error)) throw error;
      logger.info("The center gave no time.", { why: describeError(error) });
    }
  }

  /** Writes the floor when it has grown. A full disk costs the knowledge, not the agent. */
  async keepFloor(): Promise<void> {
    const { files, path, logger } = this.#options;
    const { floorMs } = this.workingTime;
    if (floorMs <= this.#keptFloorMs) return;
    try {
      await writeTimeFloor(files, path, floorMs);
      this.#keptFloorMs = floorMs;
    } catch (error) {
      logger.warn("The floor of time could not be kept on disk.", { error });
    }
  }
}

export async function openTimeKeeper(options: TimeKeeperOptions): Promise<TimeKeeper> {
  const floorMs = await readTimeFloor(options.files, options.path);
  return new TimeKeeper({ ...options, floorMs });
}
