// SPDX-License-Identifier: Apache-2.0
/**
 * Confirmable messages to devices: each is sent again until the device acknowledges or resets it,
 * or it is given up (RFC 7252 §4.2). One at a time for a device (NSTART = 1, §4.7), the others wait
 * behind it in order.
 *
 *     waiting → under way → (acknowledged | reset | timed out) → settled
 *
 * One timer for all, set only while something is under way: it looks at every message under way
 * four times a second, which is exact enough for timeouts of seconds.
 *
 * Limits: 50,000 devices with a message under way (as many as a gateway has open offers), 33
 * messages a device: the most reports that it may have open, and an offer.
 */
import type { CancelTimer, Clock } from "../../../ports/clock.ts";
import type { Random } from "../../../ports/random.ts";
import { MAX_HELD_MESSAGES } from "../../sessions/ack-queue.ts";
import type { Source } from "./source.ts";

/** RFC 7252 §4.8. */
export const ACK_TIMEOUT_MS = 2_000;
export const ACK_RANDOM_FACTOR = 1.5;
export const MAX_RETRANSMIT = 4;

export const MAX_BUSY_DEVICES = 50_000;
const MAX_WAITING: number = MAX_HELD_MESSAGES + 1;
const CHECK_INTERVAL_MS = 250;

export type ConfirmableOutcome = "acknowledged" | "reset" | "timed-out";

export interface Confirmable {
  /** Of the device's session. */
  readonly slot: number;
  readonly source: Source;
  readonly messageId: number;
  readonly bytes: Buffer;
  /** Called once, unless the session ends before. */
  settled(outcome: ConfirmableOutcome): void;
}

export interface ConfirmableSenderOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly transmit: (bytes: Buffer, to: Source) => void;
  /** The device of this slot has nothing under way any more. */
  readonly onIdle: (slot: number) => void;
}

interface Lane {
  readonly waiting: Confirmable[];
  attempt: number;
  timeoutMs: number;
  dueMs: number;
}

export class ConfirmableSender {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #transmit: (bytes: Buffer, to: Source) => void;
  readonly #onIdle: (slot: number) => void;
  /** By slot; the first message of a lane is under way. */
  readonly #lanes = new Map<number, Lane>();
  /** What is under way, by what its acknowledgement says. */
  readonly #slotByReply = new Map<string, number>();
  #cancelTimer: CancelTimer | null = null;

  constructor(options: ConfirmableSenderOptions) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#transmit = options.transmit;
    this.#onIdle = options.onIdle;
  }

  /** Devices with a message under way. */
  get busyCount(): number {
    return this.#lanes.size;
  }

  isBusy(slot: number): boolean {
    return this.#lanes.has(slot);
  }

  /** False when a limit is reached: nothing was taken. */
  send(message: Confirmable): boolean {
    const lane = this.#lanes.get(message.slot);
    if (lane !== undefined) {
      if (lane.waiting.length >= MAX_WAITING) return false;
      lane.waiting.push(message);
      return true;
    }
    if (this.#lanes.size >= MAX_BUSY_DEVICES) return false;
    const fresh = { waiting: [message], attempt: 0, timeoutMs: 0, dueMs: 0 };
    this.#lanes.set(message.slot, fresh);
    this.#begin(fresh, message);
    return true;
  }

  /** An acknowledgement or a reset came. False when nothing under way has it. */
  settle(source: Source, messageId: number, outcome: "acknowledged" | "reset"): boolean {
    const slot = this.#slotByReply.get(replyKey(source, messageId));
    if (slot === undefined) return false;
    this.#finish(slot, outcome);
    return true;
  }

  /** The session of the slot is over. */
  forget(slot: number): void {
    const [message] = this.#lanes.get(slot)?.waiting ?? [];
    if (message === undefined) return;
    this.#slotByReply.delete(replyKey(message.source, message.messageId));
    this.#lanes.delete(slot);
  }

  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  #begin(lane: Lane, message: Confirmable): void {
    lane.attempt = 0;
    lane.timeoutMs = ACK_TIMEOUT_MS * (1 + this.#random.next() * (ACK_RANDOM_FACTOR - 1));
    lane.dueMs = this.#clock.monotonicMs() + lane.timeoutMs;
    this.#slotByReply.set(replyKey(message.source, message.messageId), message.slot);
    this.#transmit(message.bytes, message.source);
    this.#cancelTimer ??= this.#clock.setTimer(CHECK_INTERVAL_MS, () => this.#check());
  }

  #finish(slot: number, outcome: ConfirmableOutcome): void {
    const lane = this.#lanes.get(slot);
    const message = lane?.waiting.shift();
    if (lane === undefined || message === undefined) return;
    this.#slotByReply.delete(replyKey(message.source, message.messageId));
    const [next] = lane.waiting;
    if (next === undefined) this.#lanes.delete(slot);
    else this.#begin(lane, next);
    message.settled(outcome);
    // `settled` may have ended the session, or sent something.
    if (next === undefined && !this.#lanes.has(slot)) this.#onIdle(slot);
  }

  #check(): void {
    this.#cancelTimer = null;
    const nowMs = this.#clock.monotonicMs();
    const overdue: number[] = [];
    for (const [slot, lane] of this.#lanes) {
      const [message] = lane.waiting;
      if (lane.dueMs > nowMs || message === undefined) continue;
      if (lane.attempt === MAX_RETRANSMIT) {
        overdue.push(slot);
        continue;
      }
      lane.attempt += 1;
      lane.timeoutMs *= 2;
      lane.dueMs = nowMs + lane.timeoutMs;
      this.#transmit(message.bytes, message.source);
    }
    for (const slot of overdue) this.#finish(slot, "timed-out");
    if (this.#lanes.size === 0) return;
    this.#cancelTimer ??= this.#clock.setTimer(CHECK_INTERVAL_MS, () => this.#check());
  }
}

function replyKey({ address, port }: Source, messageId: number): string {
  return `${address} ${port} ${messageId}`;
}
