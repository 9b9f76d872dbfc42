// SPDX-License-Identifier: Apache-2.0
/**
 * Tells devices to send heartbeats less often while too much waits for the center, and as usual
 * again afterwards (`down/config`, protocol/device/pace.ts). Not those that are critical, nor those
 * of which the center has not said that they are not; nor those that would fall silent: over MQTT
 * 3.1.1 without a keep alive within the silence that is allowed. (Others are told theirs; over CoAP
 * there is none, and nothing to tell it on.)
 *
 *     idle → slowing → restoring → idle
 *
 * While it is not idle it goes round the session table, again and again, a small part in each turn
 * of the loop: messages to all devices do not go out at once, and neither do their heartbeats come
 * back at once. Whoever connects meanwhile, or had no room, is met within a round.
 *
 * - slowing: whoever was not told is; everybody again in every eighth round, for what a device was
 *   told holds for two minutes only. One that misses the end goes back by itself.
 * - restoring: whoever was told is told otherwise; until nobody is left, for two minutes at most.
 */
import { MAX_PACE_MS, type PaceMessage } from "../../protocol/device/pace.ts";
import type { CancelTimer, Clock } from "../../ports/clock.ts";
import { SessionState } from "../sessions/session-state.ts";
import type { SessionTable } from "../sessions/session-table.ts";
import type { BacklogListener } from "./backlog.ts";

/** Heartbeats are so much rarer: of those every 5 s one in 30 s is left. */
const SLOWER_TIMES = 6;
const VALID_MS = 120_000;
const TURN_MS = 20;
/** A round takes 5 s: 72 of 18,000 devices in a turn. */
const TURNS_A_ROUND = 250;
/** Its level; the only protocol in which a device chooses its keep alive alone. */
const MQTT_3_1_1 = 4;
/** Twice within what is valid, should one be lost. */
const ROUNDS_A_RENEWAL = 8;

export interface PaceKeeperOptions {
  readonly clock: Clock;
  readonly table: SessionTable;
  /** As devices usually have it, ms. */
  readonly heartbeatIntervalMs: number;
}

export class PaceKeeper implements BacklogListener {
  readonly #clock: Clock;
  readonly #table: SessionTable;
  readonly #slower: Buffer;
  readonly #usual: Buffer;
  #phase: "idle" | "slowing" | "restoring" = "idle";
  #cancelTimer: CancelTimer | null = null;
  #turn = 0;
  #round = 0;
  #nextSlot = 0;
  #restoredAtMs = 0;

  constructor(options: PaceKeeperOptions) {
    this.#clock = options.clock;
    this.#table = options.table;
    const { heartbeatIntervalMs } = options;
    const slowerMs = Math.min(heartbeatIntervalMs * SLOWER_TIMES, MAX_PACE_MS);
    this.#slower = message(slowerMs, VALID_MS);
    this.#usual = message(heartbeatIntervalMs, 0);
  }

  backlogExceeded(): void {
    this.#enter("slowing");
  }

  backlogOver(): void {
    this.#restoredAtMs = this.#clock.monotonicMs();
    this.#enter("restoring");
  }

  /** Devices that were told to send less and not yet otherwise. */
  slowedCount(): number {
    let count = 0;
    for (let slot = 0; slot < this.#table.slotCount; slot += 1) {
      if (this.#is(slot, SessionState.Slowed)) count += 1;
    }
    return count;
  }

  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#phase = "idle";
  }

  #enter(phase: "slowing" | "restoring"): void {
    this.stop();
    this.#phase = phase;
    this.#round = 0;
    this.#beginRound();
    this.#arm();
  }

  #beginRound(): void {
    this.#turn = 0;
    this.#nextSlot = 0;
  }

  #arm(): void {
    this.#cancelTimer = this.#clock.setTimer(TURN_MS, () => this.#takeTurn());
  }

  #takeTurn(): void {
    this.#turn += 1;
    const end = Math.ceil((this.#table.slotCount * this.#turn) / TURNS_A_ROUND);
    for (; this.#nextSlot < end; this.#nextSlot += 1) {
      if (this.#phase === "slowing") this.#slowDown(this.#nextSlot);
      else this.#restore(this.#nextSlot);
    }
    if (this.#turn === TURNS_A_ROUND) {
      this.#round += 1;
      if (this.#phase === "restoring" && this.slowedCount() === 0) return this.stop();
      this.#beginRound();
    }
    this.#arm();
  }

  #slowDown(slot: number): void {
    if (!this.#is(slot, SessionState.Ordinary)) return;
    const isRenewal = this.#round % ROUNDS_A_RENEWAL === 0;
    if (this.#is(slot, SessionState.Slowed) && !isRenewal) return;
    if (!this.#hasOtherSignsOfLife(slot)) return;
    if (this.#tell(slot, this.#slower)) this.#set(slot, true);
  }

  #hasOtherSignsOfLife(slot: number): boolean {
    const { protocolLevel, keepAliveSeconds, silenceLimitMs } = this.#table;
    if (protocolLevel[slot] !== MQTT_3_1_1) return true;
    const keepAliveMs = (keepAliveSeconds[slot] as number) * 1_000;
    return keepAliveMs > 0 && keepAliveMs < (silenceLimitMs[slot] as number);
  }

  #restore(slot: number): void {
    if (!this.#is(slot, SessionState.Slowed)) return;
    // What a device was told last has ended by itself then.
    const isOver = this.#clock.monotonicMs() - this.#restoredAtMs >= VALID_MS;
    if (isOver || this.#tell(slot, this.#usual)) this.#set(slot, false);
  }

  /**
   * False when the device has no room for it now, has not subscribed, or was cut off by it: then
   * the slot may be somebody else's soon.
   */
  #tell(slot: number, payload: Buffer): boolean {
    return this.#table.link(slot).deliver("config", payload) === "sent" && this.#table.isOpen(slot);
  }

  #is(slot: number, bit: number): boolean {
    return ((this.#table.state[slot] as number) & bit) !== 0;
  }

  #set(slot: number, isSlowed: boolean): void {
    const rest = (this.#table.state[slot] as number) & ~SessionState.Slowed;
    this.#table.state[slot] = isSlowed ? rest | SessionState.Slowed : rest;
  }
}

function message(heartbeatIntervalMs: number, validMs: number): Buffer {
  const content: PaceMessage = { pace: { heartbeatIntervalMs, validMs } };
  return Buffer.from(JSON.stringify(content));
}
