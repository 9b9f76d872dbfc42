// SPDX-License-Identifier: Apache-2.0
/**
 * The heartbeats of all devices of a process on one timer: a ring of buckets, each the devices
 * whose heartbeat falls due in one tick. A device is in at most one bucket.
 */
import type { CancelTimer, Clock } from "../../ports/clock.ts";

/** Heartbeats are late by at most this, milliseconds; a gateway allows for whole intervals. */
const TICK_MS = 50;
/** Reaches 100 s ahead; a device with a longer interval beats every 100 s. */
const BUCKET_COUNT = 2_048;

export interface WheelMember {
  /** Where the wheel keeps it; −1 = not in the wheel. The wheel's own. */
  wheelBucket: number;
  readonly heartbeatIntervalMs: number;
  beat(): void;
}

export class HeartbeatWheel {
  readonly #clock: Clock;
  readonly #buckets: Set<WheelMember>[] = Array.from({ length: BUCKET_COUNT }, () => new Set());
  #tick: number;
  #cancelTimer: CancelTimer | null = null;

  constructor(options: { clock: Clock }) {
    this.#clock = options.clock;
    this.#tick = Math.floor(options.clock.monotonicMs() / TICK_MS);
  }

  start(): void {
    this.#cancelTimer = this.#clock.setTimer(TICK_MS, this.#onTimer);
  }

  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  /** `fraction` of an interval from now (0 to 1): spreads devices that came together. */
  add(member: WheelMember, fraction: number): void {
    this.remove(member);
    this.#place(member, member.heartbeatIntervalMs * fraction);
  }

  remove(member: WheelMember): void {
    if (member.wheelBucket === -1) return;
    this.#buckets[member.wheelBucket]?.delete(member);
    member.wheelBucket = -1;
  }

  #place(member: WheelMember, delayMs: number): void {
    const ticks = Math.min(Math.max(1, Math.round(delayMs / TICK_MS)), BUCKET_COUNT - 1);
    member.wheelBucket = (this.#tick + ticks) % BUCKET_COUNT;
    this.#buckets[member.wheelBucket]?.add(member);
  }

  readonly #onTimer = (): void => {
    const now = Math.floor(this.#clock.monotonicMs() / TICK_MS);
    // After a stall of the process each bucket is looked at once, not once a missed tick.
    this.#tick = Math.max(this.#tick, now - BUCKET_COUNT);
    while (this.#tick < now) {
      this.#tick += 1;
      this.#beat(this.#tick % BUCKET_COUNT);
    }
    this.#cancelTimer = this.#clock.setTimer(TICK_MS, this.#onTimer);
  };

  #beat(index: number): void {
    const due = [...(this.#buckets[index] ?? [])];
    for (const member of due) {
      if (member.wheelBucket !== index) continue; // It left while others beat.
      this.remove(member);
      this.#place(member, member.heartbeatIntervalMs);
      member.beat();
    }
  }
}
