// SPDX-License-Identifier: Apache-2.0
/**
 * What CoAP keeps for each session beside the session table, by its slot, in typed arrays: where
 * the device is, and its observation. 39 bytes a slot, whether the device observes or not.
 */
import { grown } from "../../columns.ts";
import { readSource, SOURCE_BYTES, writeSource, type Source } from "./source.ts";

/** Bits of a slot. */
const VERIFIED = 1;
const OBSERVING = 2;

const MAX_TOKEN_BYTES = 8;
/** Of a request's Partial IV (RFC 8613 §6.1), behind a byte that says its length. */
const PIV_FIELD_BYTES = 6;
const FIRST_CAPACITY = 64;

/** What a notification answers: the request that registered the observation. */
export interface Registration {
  readonly token: Buffer;
  /** Under OSCORE, the request's Partial IV; else empty. */
  readonly partialIv: Buffer;
}

export class CoapColumns {
  #flags: Uint8Array = new Uint8Array(FIRST_CAPACITY);
  #sources: Buffer = Buffer.alloc(FIRST_CAPACITY * SOURCE_BYTES);
  #tokens: Buffer = Buffer.alloc(FIRST_CAPACITY * (MAX_TOKEN_BYTES + 1));
  #partialIvs: Buffer = Buffer.alloc(FIRST_CAPACITY * PIV_FIELD_BYTES);
  /** Of the last notification (RFC 7641 §4.4); 24 bits go out. */
  #sequences: Uint32Array = new Uint32Array(FIRST_CAPACITY);
  /** Of the last message that the gateway began. */
  #messageIds: Uint16Array = new Uint16Array(FIRST_CAPACITY);
  readonly #scratch = Buffer.alloc(SOURCE_BYTES);

  /** A new session in the slot. `firstMessageId`: unpredictable (RFC 7252 §4.4). */
  open(slot: number, firstMessageId: number): void {
    this.#reserve(slot);
    this.#flags[slot] = 0;
    this.#sequences[slot] = 0;
    this.#messageIds[slot] = firstMessageId;
  }

  nextMessageId(slot: number): number {
    const messageId = ((this.#messageIds[slot] as number) + 1) & 0xffff;
    this.#messageIds[slot] = messageId;
    return messageId;
  }

  nextSequence(slot: number): number {
    const sequence = ((this.#sequences[slot] as number) + 1) & 0xff_ffff;
    this.#sequences[slot] = sequence;
    return sequence;
  }

  /** The device has shown that it is there. False: the place has no such form. */
  verify(slot: number, source: Source): boolean {
    if (!writeSource(this.#sources, slot * SOURCE_BYTES, source)) return false;
    this.#flags[slot] = (this.#flags[slot] as number) | VERIFIED;
    return true;
  }

  isVerified(slot: number, source: Source): boolean {
    if (((this.#flags[slot] ?? 0) & VERIFIED) === 0) return false;
    const at = slot * SOURCE_BYTES;
    writeSource(this.#scratch, 0, source);
    return this.#sources.compare(this.#scratch, 0, SOURCE_BYTES, at, at + SOURCE_BYTES) === 0;
  }

  /** The verified place of the device. */
  sourceOf(slot: number): Source {
    return readSource(this.#sources, slot * SOURCE_BYTES);
  }

  isObserving(slot: number): boolean {
    return ((this.#flags[slot] ?? 0) & OBSERVING) !== 0;
  }

  observe(slot: number, { token, partialIv }: Registration): void {
    writeField(this.#tokens, slot * (MAX_TOKEN_BYTES + 1), token);
    writeField(this.#partialIvs, slot * PIV_FIELD_BYTES, partialIv);
    this.#flags[slot] = (this.#flags[slot] as number) | OBSERVING;
  }

  stopObserving(slot: number): void {
    this.#flags[slot] = (this.#flags[slot] as number) & ~OBSERVING;
  }

  registration(slot: number): Registration {
    return {
      token: readField(this.#tokens, slot * (MAX_TOKEN_BYTES + 1)),
      partialIv: readField(this.#partialIvs, slot * PIV_FIELD_BYTES),
    };
  }

  #reserve(slot: number): void {
    if (slot < this.#flags.length) return;
    const capacity = Math.max(this.#flags.length * 2, slot + 1);
    this.#flags = grown(this.#flags, new Uint8Array(capacity));
    this.#sources = grown(this.#sources, Buffer.alloc(capacity * SOURCE_BYTES));
    this.#tokens = grown(this.#tokens, Buffer.alloc(capacity * (MAX_TOKEN_BYTES + 1)));
    this.#partialIvs = grown(this.#partialIvs, Buffer.alloc(capacity * PIV_FIELD_BYTES));
    this.#sequences = grown(this.#sequences, new Uint32Array(capacity));
    this.#messageIds = grown(this.#messageIds, new Uint16Array(capacity));
  }
}

/** A copy: the column may grow under a view of it. */
function readField(column: Buffer, at: number): Buffer {
  return Buffer.from(column.subarray(at + 1, at + 1 + (column[at] as number)));
}

function writeField(column: Buffer, at: number, value: Buffer): void {
  column[at] = value.length;
  value.copy(column, at + 1);
}
