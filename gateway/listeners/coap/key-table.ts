// SPDX-License-Identifier: Apache-2.0
/**
 * The OSCORE security contexts (RFC 8613 §3.1) of the devices of this gateway, by row, in typed
 * arrays: there may be a million. 112 bytes a row, and the device's name while it has no session.
 *
 *     free → known (keys from the center) → verified (it has answered an Echo) → known → … → free
 *
 * - known: it is not certain which numbers the device has used, so nothing that it says is new
 *   until it has shown, by a value made for this moment, that it is (Appendix B.1.2).
 * - verified: the replay window holds. From here on each number is taken once.
 *
 * A value is for one moment only: it is bound to a challenge of the row, which is another one as
 * soon as it was answered, and after each session. So nothing that was said once can be said again.
 *
 * A row stays for two minutes after it was used last, and as long as it has a session.
 *
 * The gateway's own numbers come from the center in ranges, each given once, so that no two
 * gateways and no two runs of one protect two messages alike. When a range is used up nothing can
 * be protected until the next one is here.
 */
import assert from "node:assert/strict";
import {
  KEY_BYTES,
  MAX_ID_BYTES,
  NONCE_BYTES,
} from "../../../protocol/coap/oscore/key-derivation.ts";
import { received, windowFrom } from "../../../protocol/coap/oscore/replay-window.ts";
import { grown } from "../../columns.ts";

/** Device's key, gateway's key, common IV: as the center sends them. */
export const CONTEXT_BYTES: number = KEY_BYTES * 2 + NONCE_BYTES;
export const ROW_LIFETIME_MS = 120_000;
/** How soon keys may be asked for again when they do not fit: an attacker asks as often. */
const STALE_AFTER_SECONDS = 30;
const NONE = -1;
const FIRST_CAPACITY = 1_024;
/** Length and bytes of a sender id. */
const ID_FIELD_BYTES: number = MAX_ID_BYTES + 1;

const State = { Free: 0, Known: 1, Verified: 2 } as const;

export interface KeyTableOptions {
  readonly maxRows: number;
  /** Nobody outside may know it: it decides which ids fall together. */
  readonly seed: number;
}

export interface DeviceContext {
  readonly senderId: Buffer;
  readonly tenant: string;
  readonly device: string;
  /** As CONTEXT_BYTES says. */
  readonly keys: Uint8Array;
  readonly numbers: NumberRange;
}

/** Sender sequence numbers that only this gateway may use, from `first` on. */
export interface NumberRange {
  readonly first: number;
  readonly count: number;
}

export class KeyTable {
  readonly #maxRows: number;
  readonly #seed: number;
  #states: Uint8Array = new Uint8Array(FIRST_CAPACITY);
  #ids: Buffer = Buffer.alloc(FIRST_CAPACITY * ID_FIELD_BYTES);
  #contexts: Buffer = Buffer.alloc(FIRST_CAPACITY * CONTEXT_BYTES);
  #highest: Float64Array = new Float64Array(FIRST_CAPACITY);
  #received: Uint32Array = new Uint32Array(FIRST_CAPACITY);
  #nextNumber: Float64Array = new Float64Array(FIRST_CAPACITY);
  #endNumber: Float64Array = new Float64Array(FIRST_CAPACITY);
  #challenges: Uint32Array = new Uint32Array(FIRST_CAPACITY);
  #slots: Int32Array = new Int32Array(FIRST_CAPACITY);
  #usedAtSeconds: Uint32Array = new Uint32Array(FIRST_CAPACITY);
  /** Next row with the same hash; of a free row, the next free one. */
  #next: Int32Array = new Int32Array(FIRST_CAPACITY);
  #heads: Int32Array = new Int32Array(FIRST_CAPACITY).fill(NONE);
  readonly #names: (string | null)[] = [];
  #freeHead = NONE;
  #fresh = 0;
  #count = 0;
  #lastChallenge = 0;

  constructor(options: KeyTableOptions) {
    this.#maxRows = options.maxRows;
    this.#seed = options.seed;
  }

  /** Rows with keys. */
  get count(): number {
    return this.#count;
  }

  /** The row of a sender id; -1 when its keys are not here. */
  find(senderId: Buffer): number {
    let row = this.#heads[this.#bucketOf(senderId)] as number;
    while (row !== NONE && !this.#hasId(row, senderId)) row = this.#next[row] as number;
    return row;
  }

  /** Keeps what the center has sent; a row that is here gets the numbers. -1: there is no room. */
  add(context: DeviceContext, nowMs: number): number {
    const { senderId, tenant, device, keys, numbers } = context;
    assert(keys.length === CONTEXT_BYTES && senderId.length <= MAX_ID_BYTES, "keys have a form");
    const known = this.find(senderId);
    const row = known === NONE ? this.#takeRow() : known;
    if (row === NONE) return NONE;
    this.#nextNumber[row] = numbers.first;
    this.#endNumber[row] = numbers.first + numbers.count;
    if (known !== NONE) return row;
    this.#contexts.set(keys, row * CONTEXT_BYTES);
    this.#states[row] = State.Known;
    this.#highest[row] = NONE;
    this.#received[row] = 0;
    this.#usedAtSeconds[row] = nowMs / 1_000;
    this.#slots[row] = NONE;
    this.#names[row] = `${tenant}/${device}`;
    this.#renewChallenge(row);
    this.#writeId(row, senderId);
    this.#link(row);
    this.#count += 1;
    return row;
  }

  /** True when these are not the keys of the row: they were changed at the center. */
  hasOtherKeys(row: number, keys: Uint8Array): boolean {
    const at = row * CONTEXT_BYTES;
    return this.#contexts.compare(keys, 0, CONTEXT_BYTES, at, at + CONTEXT_BYTES) !== 0;
  }

  isVerified(row: number): boolean {
    return this.#states[row] === State.Verified;
  }

  /** False: the number was received before, or may have been. */
  isNew(row: number, sequence: number): boolean {
    return received(this.#window(row), sequence) !== null;
  }

  /** A message with this number has verified. False: it was received before. */
  accept(row: number, sequence: number, nowMs: number): boolean {
    const window = received(this.#window(row), sequence);
    if (window === null) return false;
    this.#setWindow(row, window);
    this.#usedAtSeconds[row] = nowMs / 1_000;
    return true;
  }

  /** The device has answered its challenge in a message with this number. */
  verify(row: number, sequence: number, nowMs: number): void {
    this.#states[row] = State.Verified;
    this.#setWindow(row, windowFrom(sequence));
    this.#usedAtSeconds[row] = nowMs / 1_000;
    this.#renewChallenge(row);
  }

  /** What a challenge to this device is bound to; another one once it was answered. */
  challengeOf(row: number): number {
    return this.#challenges[row] as number;
  }

  /** A number of the gateway's own to protect one message with; -1 when there is none left. */
  takeNumber(row: number): number {
    const number = this.#nextNumber[row] as number;
    if (number >= (this.#endNumber[row] as number)) return NONE;
    this.#nextNumber[row] = number + 1;
    return number;
  }

  numbersLeft(row: number): number {
    return (this.#endNumber[row] as number) - (this.#nextNumber[row] as number);
  }

  /** Views that are good until the table changes. */
  senderIdOf(row: number): Buffer {
    const at = row * ID_FIELD_BYTES;
    return this.#ids.subarray(at + 1, at + 1 + (this.#ids[at] as number));
  }
  deviceKeyOf(row: number): Buffer {
    return this.#contexts.subarray(row * CONTEXT_BYTES, row * CONTEXT_BYTES + KEY_BYTES);
  }
  gatewayKeyOf(row: number): Buffer {
    const at = row * CONTEXT_BYTES + KEY_BYTES;
    return this.#contexts.subarray(at, at + KEY_BYTES);
  }
  commonIvOf(row: number): Buffer {
    const at = row * CONTEXT_BYTES + KEY_BYTES * 2;
    return this.#contexts.subarray(at, at + NONCE_BYTES);
  }

  /** `tenant/device`; null while it has a session, whose table says it. */
  nameOf(row: number): string | null {
    return this.#names[row] ?? null;
  }

  /** -1: no session. */
  slotOf(row: number): number {
    return this.#slots[row] as number;
  }

  /** By a message that has just verified: also where it ended the session before. */
  sessionOpened(row: number, slot: number): void {
    this.#slots[row] = slot;
    this.#names[row] = null;
    this.#states[row] = State.Verified;
  }

  /** What the device says next has to be shown to be new. */
  sessionEnded(row: number, name: string): void {
    this.#slots[row] = NONE;
    this.#names[row] = name;
    this.#states[row] = State.Known;
    this.#renewChallenge(row);
  }

  /** Keys that do not fit what the device sends, and are not just here: they may have changed. */
  forgetIfStale(row: number, nowMs: number): void {
    const isFresh = nowMs / 1_000 - (this.#usedAtSeconds[row] as number) < STALE_AFTER_SECONDS;
    if (!isFresh && this.#slots[row] === NONE) this.#free(row);
  }

  /** Forgets a row that has no session. */
  forget(row: number): void {
    assert(this.#slots[row] === NONE, "a row with a session stays");
    this.#free(row);
  }

  /** Frees the rows that have no session and were not used for their lifetime. */
  sweep(nowMs: number): void {
    const oldest = (nowMs - ROW_LIFETIME_MS) / 1_000;
    for (let row = 0; row < this.#fresh; row += 1) {
      if (this.#states[row] === State.Free || this.#slots[row] !== NONE) continue;
      if ((this.#usedAtSeconds[row] as number) < oldest) this.#free(row);
    }
  }

  #window(row: number): { highest: number; received: number } {
    return { highest: this.#highest[row] as number, received: this.#received[row] as number };
  }

  #setWindow(row: number, window: { highest: number; received: number }): void {
    this.#highest[row] = window.highest;
    this.#received[row] = window.received;
  }

  #renewChallenge(row: number): void {
    this.#lastChallenge = (this.#lastChallenge + 1) >>> 0;
    this.#challenges[row] = this.#lastChallenge;
  }

  #takeRow(): number {
    const free = this.#freeHead;
    if (free !== NONE) {
      this.#freeHead = this.#next[free] as number;
      return free;
    }
    if (this.#fresh === this.#maxRows) return NONE;
    if (this.#fresh === this.#states.length) this.#grow();
    this.#fresh += 1;
    return this.#fresh - 1;
  }

  #free(row: number): void {
    const bucket = this.#bucketOf(this.senderIdOf(row));
    if (this.#heads[bucket] === row) this.#heads[bucket] = this.#next[row] as number;
    else {
      let before = this.#heads[bucket] as number;
      while (this.#next[before] !== row) before = this.#next[before] as number;
      this.#next[before] = this.#next[row] as number;
    }
    this.#states[row] = State.Free;
    this.#names[row] = null;
    this.#contexts.fill(0, row * CONTEXT_BYTES, (row + 1) * CONTEXT_BYTES);
    this.#next[row] = this.#freeHead;
    this.#freeHead = row;
    this.#count -= 1;
  }

  #link(row: number): void {
    const bucket = this.#bucketOf(this.senderIdOf(row));
    this.#next[row] = this.#heads[bucket] as number;
    this.#heads[bucket] = row;
  }

  #hasId(row: number, senderId: Buffer): boolean {
    const at = row * ID_FIELD_BYTES;
    if (this.#ids[at] !== senderId.length) return false;
    return this.#ids.compare(senderId, 0, senderId.length, at + 1, at + 1 + senderId.length) === 0;
  }

  #writeId(row: number, senderId: Buffer): void {
    const at = row * ID_FIELD_BYTES;
    this.#ids[at] = senderId.length;
    senderId.copy(this.#ids, at + 1);
  }

  /** FNV-1a, which is enough: ids that fall together are the center's, not an attacker's. */
  #bucketOf(senderId: Buffer): number {
    let hash = this.#seed;
    for (let index = 0; index < senderId.length; index += 1) {
      hash = Math.imul(hash ^ (senderId[index] as number), 0x01000193);
    }
    return (hash ^ (hash >>> 15)) & (this.#heads.length - 1);
  }

  #grow(): void {
    const capacity = Math.min(this.#states.length * 2, this.#maxRows);
    this.#states = grown(this.#states, new Uint8Array(capacity));
    this.#ids = grown(this.#ids, Buffer.alloc(capacity * ID_FIELD_BYTES));
    this.#contexts = grown(this.#contexts, Buffer.alloc(capacity * CONTEXT_BYTES));
    this.#highest = grown(this.#highest, new Float64Array(capacity));
    this.#received = grown(this.#received, new Uint32Array(capacity));
    this.#nextNumber = grown(this.#nextNumber, new Float64Array(capacity));
    this.#endNumber = grown(this.#endNumber, new Float64Array(capacity));
    this.#challenges = grown(this.#challenges, new Uint32Array(capacity));
    this.#slots = grown(this.#slots, new Int32Array(capacity));
    this.#usedAtSeconds = grown(this.#usedAtSeconds, new Uint32Array(capacity));
    this.#next = grown(this.#next, new Int32Array(capacity));
    this.#heads = new Int32Array(this.#heads.length * 2).fill(NONE);
    for (let row = 0; row < this.#fresh; row += 1) {
      if (this.#states[row] !== State.Free) this.#link(row);
    }
  }
}
