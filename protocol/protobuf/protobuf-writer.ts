// SPDX-License-Identifier: Apache-2.0
/**
 * Writes the Protobuf wire format, for the code that scripts/protoc-gen-codec.ts generates. Each
 * function writes one field, its tag (field number and wire type) first.
 *
 * Messages lie one behind the other in chunks that are never written twice, as those of Buffer's
 * pool: a message costs a view and no copy. A small one that is kept keeps its chunk, 8 KiB.
 */

const CHUNK_BYTES = 8_192;
/** Tag and any number. */
const NUMBER_BYTES_MAX = 5 + 10;
/** Longer texts are encoded by the platform, which is slow to call and fast to run. */
const SHORT_TEXT_LENGTH = 64;
const utf8: TextEncoder = new TextEncoder();

export class ProtobufWriter {
  #chunk: Uint8Array = new Uint8Array(0);
  #start = 0;
  #at = 0;
  readonly #word = new DataView(new ArrayBuffer(8));

  begin(): void {
    this.#start = this.#at;
  }

  /** The message that was begun; its bytes are not touched any more. */
  finish(): Uint8Array {
    return new Uint8Array(this.#chunk.buffer, this.#start, this.#at - this.#start);
  }

  /** Enumerations too. A negative number takes ten bytes, as the format wants it. */
  int32(tag: number, value: number): void {
    if (value < 0) return this.int64(tag, BigInt(value));
    this.uint32(tag, value);
  }

  uint32(tag: number, value: number): void {
    this.#reserve(NUMBER_BYTES_MAX);
    this.#varint(tag);
    this.#varint(value);
  }

  bool(tag: number, value: boolean): void {
    this.uint32(tag, value ? 1 : 0);
  }

  int64(tag: number, value: bigint): void {
    this.#word.setBigInt64(0, value, true);
    this.#wordVarint(tag);
  }

  uint64(tag: number, value: bigint): void {
    this.#word.setBigUint64(0, value, true);
    this.#wordVarint(tag);
  }

  double(tag: number, value: number): void {
    this.#reserve(NUMBER_BYTES_MAX);
    this.#varint(tag);
    this.#word.setFloat64(0, value, true);
    for (let index = 0; index < 8; index += 1) {
      this.#chunk[this.#at + index] = this.#word.getUint8(index);
    }
    this.#at += 8;
  }

  /** What UTF-8 cannot say (half of a surrogate pair) becomes U+FFFD. */
  string(tag: number, value: string): void {
    const { length } = value;
    this.#reserve(NUMBER_BYTES_MAX + length);
    this.#varint(tag);
    if (length > SHORT_TEXT_LENGTH) return this.#longString(value);
    const chunk = this.#chunk;
    const start = this.#at + 1;
    for (let index = 0; index < length; index += 1) {
      const code = value.charCodeAt(index);
      if (code > 0x7f) return this.#longString(value);
      chunk[start + index] = code;
    }
    chunk[this.#at] = length;
    this.#at = start + length;
  }

  bytes(tag: number, value: Uint8Array): void {
    this.#reserve(NUMBER_BYTES_MAX + value.length);
    this.#varint(tag);
    this.#varint(value.length);
    this.#chunk.set(value, this.#at);
    this.#at += value.length;
  }

  /** Begins a message that is a field. Returns what `close` needs. */
  open(tag: number): number {
    this.#reserve(NUMBER_BYTES_MAX);
    this.#varint(tag);
    this.#at += 1; // Most lengths take one byte; `close` makes room for others.
    return this.#at - this.#start;
  }

  close(opened: number): void {
    const length = this.#at - this.#start - opened;
    const extraBytes = varintBytes(length) - 1;
    if (extraBytes > 0) {
      this.#reserve(extraBytes);
      const from = this.#start + opened;
      this.#chunk.copyWithin(from + extraBytes, from, this.#at);
    }
    const end = this.#at + extraBytes;
    this.#at = this.#start + opened - 1;
    this.#varint(length);
    this.#at = end;
  }

  #longString(value: string): void {
    const byteCount = Buffer.byteLength(value);
    this.#reserve(NUMBER_BYTES_MAX + byteCount);
    this.#varint(byteCount);
    utf8.encodeInto(value, this.#chunk.subarray(this.#at));
    this.#at += byteCount;
  }

  #wordVarint(tag: number): void {
    this.#reserve(NUMBER_BYTES_MAX);
    this.#varint(tag);
    let low = this.#word.getUint32(0, true);
    let high = this.#word.getUint32(4, true);
    while (high !== 0) {
      this.#chunk[this.#at] = (low & 0x7f) | 0x80;
      this.#at += 1;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    this.#varint(low);
  }

  #varint(value: number): void {
    const chunk = this.#chunk;
    let at = this.#at;
    let left = value;
    while (left > 0x7f) {
      chunk[at] = (left & 0x7f) | 0x80;
      at += 1;
      left >>>= 7;
    }
    chunk[at] = left;
    this.#at = at + 1;
  }

  #reserve(byteCount: number): void {
    if (this.#at + byteCount > this.#chunk.length) this.#nextChunk(byteCount);
  }

  /** What there is of the message moves along. */
  #nextChunk(byteCount: number): void {
    const length = this.#at - this.#start;
    const next = new Uint8Array(Math.max(CHUNK_BYTES, (length + byteCount) * 2));
    next.set(this.#chunk.subarray(this.#start, this.#at));
    this.#chunk = next;
    this.#start = 0;
    this.#at = length;
  }
}

function varintBytes(value: number): number {
  let count = 1;
  for (let left = value; left > 0x7f; left >>>= 7) count += 1;
  return count;
}
