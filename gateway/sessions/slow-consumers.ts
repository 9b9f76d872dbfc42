// SPDX-License-Identifier: Apache-2.0
/**
 * Connections whose output is full, each with the time since when; usually none. One timer for all
 * of them, set only while there is one: a `drain` event would come only at Node's own mark, which
 * is above our bound. Whoever takes nothing for 10 s is cut: a device that is alive reads, and what
 * it missed is offered again when it connects.
 */
import type { CancelTimer, Clock } from "../../ports/clock.ts";
import type { CloseCause } from "./device-link.ts";

/** Longest time that output may stand, ms. */
export const SLOW_CONSUMER_MS = 10_000;
const CHECK_INTERVAL_MS = 250;

export interface SlowConsumer {
  /** 0 when it has taken everything. */
  readonly outputBytes: number;
  drained(): void;
  close(cause: CloseCause): void;
}

export class SlowConsumers {
  readonly #clock: Clock;
  readonly #blockedSinceMs = new Map<SlowConsumer, number>();
  #cancelTimer: CancelTimer | null = null;

  constructor(options: { clock: Clock }) {
    this.#clock = options.clock;
  }

  add(consumer: SlowConsumer): void {
    this.#blockedSinceMs.set(consumer, this.#clock.monotonicMs());
    this.#arm();
  }

  remove(consumer: SlowConsumer): void {
    this.#blockedSinceMs.delete(consumer);
  }

  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  #arm(): void {
    this.#cancelTimer ??= this.#clock.setTimer(CHECK_INTERVAL_MS, () => this.#check());
  }

  #check(): void {
    this.#cancelTimer = null;
    const overdueMs = this.#clock.monotonicMs() - SLOW_CONSUMER_MS;
    for (const [consumer, sinceMs] of this.#blockedSinceMs) {
      if (consumer.outputBytes === 0) {
        this.#blockedSinceMs.delete(consumer);
        consumer.drained();
      } else if (sinceMs <= overdueMs) consumer.close("slow");
    }
    if (this.#blockedSinceMs.size > 0) this.#arm();
  }
}
