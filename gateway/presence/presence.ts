// SPDX-License-Identifier: Apache-2.0
/**
 * Who is silent. Every packet of a device is a sign of life and costs one write into the session
 * table; the wheel looks at a slot when its deadline comes, and moves it on when there was a packet
 * since. So the work grows with devices per silence limit, not with packets.
 *
 * A verdict needs a silence of the whole limit (by default 3 misses of 5 s = 15 s) and comes at the
 * wheel's next tick, within the 2 s that may pass until somebody knows.
 *
 * Time in which this process did not run is not silence: packets may lie unread in the sockets. So
 * presence has a clock of its own that stands still whenever a tick is late by more than a tick (a
 * long collection, an overloaded loop, SIGSTOP), and after such a pause nobody is declared silent
 * for `detectionMs`, the time in which the backlog is read.
 */
import type { CancelTimer, Clock } from "../../ports/clock.ts";
import type { SessionTable } from "../sessions/session-table.ts";
import type { TimingWheel } from "./timing-wheel.ts";

export interface PresenceOptions {
  readonly clock: Clock;
  readonly table: SessionTable;
  readonly wheel: TimingWheel;
  /** Grace after a pause of this process, ms. */
  readonly detectionMs: number;
}

/** Told about each slot that was silent for its whole limit. */
export interface SilenceListener {
  slotSilent(slot: number): void;
}

export class Presence {
  readonly #clock: Clock;
  readonly #table: SessionTable;
  readonly #wheel: TimingWheel;
  readonly #detectionMs: number;
  #listener: SilenceListener = { slotSilent: () => {} };
  #cancelTick: CancelTimer | null = null;
  #lastTickMs: number;
  #stalledMs = 0;
  #graceUntilMs = 0;
  #lagMs = 0;

  constructor(options: PresenceOptions) {
    this.#clock = options.clock;
    this.#table = options.table;
    this.#wheel = options.wheel;
    this.#detectionMs = options.detectionMs;
    this.#lastTickMs = options.clock.monotonicMs();
  }

  /** Monotonic time less the time in which this process did not run, ms. */
  nowMs(): number {
    return this.#clock.monotonicMs() - this.#stalledMs;
  }

  /** How late the latest tick was: the event loop's lag, ms. */
  get lagMs(): number {
    return this.#lagMs;
  }

  start(listener: SilenceListener): void {
    this.#listener = listener;
    this.#lastTickMs = this.#clock.monotonicMs();
    this.#arm();
  }

  stop(): void {
    this.#cancelTick?.();
    this.#cancelTick = null;
  }

  /** Begins to watch a slot, as if it had sent a packet now. */
  watch(slot: number, silenceLimitMs: number): void {
    const nowMs = this.nowMs();
    this.#table.lastSeenMs[slot] = nowMs;
    this.#table.silenceLimitMs[slot] = silenceLimitMs;
    this.#wheel.schedule(slot, nowMs + silenceLimitMs);
  }

  /** A packet came. The hot path: one clock reading, one write. */
  seen(slot: number): void {
    this.#table.lastSeenMs[slot] = this.nowMs();
  }

  forget(slot: number): void {
    this.#wheel.cancel(slot);
  }

  /** Wall time of the slot's last packet, ms since 1970. */
  lastSeenWallMs(slot: number): number {
    const silentMs = this.nowMs() - (this.#table.lastSeenMs[slot] as number);
    return Math.round(this.#clock.wallMs() - silentMs);
  }

  #arm(): void {
    this.#cancelTick = this.#clock.setTimer(this.#wheel.tickMs, () => this.#tick());
  }

  #tick(): void {
    const monotonicMs = this.#clock.monotonicMs();
    const tickMs = this.#wheel.tickMs;
    this.#lagMs = Math.max(0, monotonicMs - this.#lastTickMs - tickMs);
    this.#lastTickMs = monotonicMs;
    if (this.#lagMs > tickMs) {
      this.#stalledMs += this.#lagMs;
      this.#graceUntilMs = this.nowMs() + this.#detectionMs;
    }
    this.#wheel.advance(this.nowMs(), (slot) => this.#judge(slot));
    this.#arm();
  }

  #judge(slot: number): void {
    const nowMs = this.nowMs();
    const lastSeenMs = this.#table.lastSeenMs[slot] as number;
    const deadlineMs = lastSeenMs + (this.#table.silenceLimitMs[slot] as number);
    if (nowMs < deadlineMs) this.#wheel.schedule(slot, deadlineMs);
    else if (nowMs < this.#graceUntilMs) this.#wheel.schedule(slot, this.#graceUntilMs);
    else this.#listener.slotSilent(slot);
  }
}
