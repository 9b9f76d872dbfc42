// SPDX-License-Identifier: Apache-2.0
/**
 * What was answered to confirmable messages, so that one that comes again (its answer was lost)
 * gets the same answer and has no second effect (RFC 7252 §4.5). A message is its source and its
 * message id, for EXCHANGE_LIFETIME.
 *
 * Memory and work are constant: records of 64 bytes in sets of eight, where the oldest of its set
 * gives way. While fewer messages come in 247 s than there are records that is nearly exact; under
 * more load a repeat that is older is taken anew, which changes nothing: what devices send may be
 * repeated (a report by its sequence number), and under OSCORE the replay window passes it over.
 * Answers that do not fit a record (a block of an offer) lie beside, at most 8 MiB of them.
 */
import { SOURCE_BYTES, writeSource, type Source } from "./source.ts";

/** RFC 7252 §4.8.2, with the default transmission parameters. */
export const EXCHANGE_LIFETIME_MS = 247_000;
/** 9 MiB; half an hour of heartbeats of 300 devices, 8 s of those of a million. */
export const MAX_EXCHANGES = 131_072;
const MAX_LARGE_BYTES: number = 8 * 2 ** 20;

const WAYS = 8;
const KEY_BYTES = SOURCE_BYTES + 2;
const LENGTH_AT = KEY_BYTES;
const ANSWER_AT = KEY_BYTES + 1;
const RECORD_BYTES = 64;
const SMALL_ANSWER_BYTES: number = RECORD_BYTES - ANSWER_AT;
/** In place of a length: the answer lies beside the records. */
const IS_LARGE = 0xff;
const NEVER = -Infinity;

export class ExchangeCache {
  readonly #setMask: number;
  readonly #seed: number;
  readonly #storedAtMs: Float64Array;
  readonly #records: Buffer;
  readonly #key = Buffer.alloc(KEY_BYTES);
  readonly #large = new Map<number, Buffer>();
  #largeBytes = 0;

  /** `capacity`: a power of two, at least 8. `seed`: any number; nobody outside may know it. */
  constructor(options: { seed: number; capacity?: number }) {
    const capacity = options.capacity ?? MAX_EXCHANGES;
    this.#setMask = capacity / WAYS - 1;
    this.#seed = options.seed;
    this.#storedAtMs = new Float64Array(capacity).fill(NEVER);
    this.#records = Buffer.alloc(capacity * RECORD_BYTES);
  }

  /** The answer that was given to this message; null when it is new. */
  find(source: Source, messageId: number, nowMs: number): Buffer | null {
    const first = this.#firstOfSet(source, messageId);
    for (let record = first; record < first + WAYS; record += 1) {
      if (nowMs - (this.#storedAtMs[record] as number) >= EXCHANGE_LIFETIME_MS) continue;
      if (this.#hasKey(record)) return this.#answer(record);
    }
    return null;
  }

  store(source: Source, messageId: number, answer: Buffer, nowMs: number): void {
    const first = this.#firstOfSet(source, messageId);
    let record = first;
    for (let other = first; other < first + WAYS; other += 1) {
      if (this.#hasKey(other)) {
        record = other;
        break;
      }
      if ((this.#storedAtMs[other] as number) < (this.#storedAtMs[record] as number)) {
        record = other;
      }
    }
    this.#forgetLarge(record);
    const at = record * RECORD_BYTES;
    this.#key.copy(this.#records, at);
    this.#storedAtMs[record] = nowMs;
    const isLarge = answer.length > SMALL_ANSWER_BYTES;
    this.#records[at + LENGTH_AT] = isLarge ? IS_LARGE : answer.length;
    if (isLarge) this.#keepLarge(record, answer);
    else answer.copy(this.#records, at + ANSWER_AT);
  }

  #answer(record: number): Buffer | null {
    const at = record * RECORD_BYTES;
    const length = this.#records[at + LENGTH_AT] as number;
    if (length === IS_LARGE) return this.#large.get(record) ?? null;
    return Buffer.from(this.#records.subarray(at + ANSWER_AT, at + ANSWER_AT + length));
  }

  #keepLarge(record: number, answer: Buffer): void {
    this.#large.set(record, answer);
    this.#largeBytes += answer.length;
    // The oldest go first: a Map keeps the order in which they came.
    for (const oldest of this.#large.keys()) {
      if (this.#largeBytes <= MAX_LARGE_BYTES) break;
      this.#forgetLarge(oldest);
    }
  }

  #forgetLarge(record: number): void {
    this.#largeBytes -= this.#large.get(record)?.length ?? 0;
    this.#large.delete(record);
  }

  #hasKey(record: number): boolean {
    const at = record * RECORD_BYTES;
    return this.#records.compare(this.#key, 0, KEY_BYTES, at, at + KEY_BYTES) === 0;
  }

  /** FNV-1a over source and id, which it leaves in `#key`. */
  #firstOfSet(source: Source, messageId: number): number {
    writeSource(this.#key, 0, source);
    this.#key[SOURCE_BYTES] = messageId >> 8;
    this.#key[SOURCE_BYTES + 1] = messageId & 0xff;
    let hash = this.#seed;
    for (let index = 0; index < KEY_BYTES; index += 1) {
      hash = Math.imul(hash ^ (this.#key[index] as number), 0x01000193);
    }
    return ((hash ^ (hash >>> 15)) & this.#setMask) * WAYS;
  }
}
