// SPDX-License-Identifier: Apache-2.0
/**
 * Reads the Protobuf wire format, for the code that scripts/protoc-gen-codec.ts generates. A rule
 * that is broken is no exception: the first one is kept as `fault`, and nothing is left to read, so
 * that every loop over the fields ends.
 *
 * What it takes is what the specification takes: fields in any order and repeated, varints longer
 * than they need be, unknown fields, groups among them. What it refuses: bytes that end too early,
 * a varint of more than ten bytes, a field number 0, a text that is not UTF-8, groups nested deeper
 * than GROUP_DEPTH_MAX. https://protobuf.dev/programming-guides/encoding/
 *
 * A reader serves one message after the other; it keeps no reference that a result could share.
 */

const NOTHING: Uint8Array = new Uint8Array(0);
/** Nobody writes groups any more; so many are skipped, none is kept. */
const GROUP_DEPTH_MAX = 16;
const VARINT_BYTES_MAX = 10;
const TAG_BYTES_MAX = 5;
/** Longer texts are decoded by the platform, which is slow to call and fast to run. */
const SHORT_TEXT_BYTES = 32;
const utf8: TextDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const WireType = { Varint: 0, Bit64: 1, Length: 2, GroupStart: 3, GroupEnd: 4, Bit32: 5 } as const;

export class ProtobufReader {
  #bytes: Uint8Array = NOTHING;
  #at = 0;
  #end = 0;
  #fault: string | null = null;
  /** The 64 bits read last. */
  #low = 0;
  #high = 0;
  readonly #word = new DataView(new ArrayBuffer(8));

  /** Where and why the bytes are no message; null = they are, as far as they were read. */
  get fault(): string | null {
    return this.#fault;
  }

  begin(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#at = 0;
    this.#end = bytes.length;
    this.#fault = null;
  }

  /** Forgets the bytes. */
  finish(): void {
    this.#bytes = NOTHING;
  }

  /** Whether the message has another field. */
  hasMore(): boolean {
    return this.#at < this.#end;
  }

  /** Field number and wire type of the next field; 0 on a fault. */
  tag(): number {
    const at = this.#at;
    const byte = this.#bytes[at] as number; // `hasMore` was asked.
    if (byte >= 0x08 && byte < 0x80) {
      this.#at = at + 1;
      return byte;
    }
    this.#varint();
    const tag = this.#low >>> 0;
    const isTag = this.#high === 0 && tag > 7 && this.#at - at <= TAG_BYTES_MAX;
    if (isTag) return tag;
    return this.#fail(at, "a field with an impossible number");
  }

  uint32(): number {
    if (this.#at < this.#end) {
      const byte = this.#bytes[this.#at] as number;
      if (byte < 0x80) {
        this.#at += 1;
        return byte;
      }
    }
    this.#varint();
    return this.#low >>> 0;
  }

  /** Enumerations too: their numbers are open. */
  int32(): number {
    return this.uint32() | 0;
  }

  bool(): boolean {
    this.#high = 0;
    return (this.uint32() | this.#high) !== 0;
  }

  int64(): bigint {
    this.#varint();
    return this.#toWord().getBigInt64(0, true);
  }

  uint64(): bigint {
    this.#varint();
    return this.#toWord().getBigUint64(0, true);
  }

  double(): number {
    const at = this.#at;
    if (at + 8 > this.#end) return this.#fail(at, "it ends within a number of eight bytes");
    this.#low = this.#fixed32(at);
    this.#high = this.#fixed32(at + 4);
    this.#at = at + 8;
    return this.#toWord().getFloat64(0, true);
  }

  string(): string {
    const stop = this.#stop();
    const bytes = this.#bytes;
    const start = this.#at;
    this.#at = stop;
    if (stop - start > SHORT_TEXT_BYTES) return this.#longString(start, stop);
    for (let at = start; at < stop; at += 1) {
      if ((bytes[at] as number) > 0x7f) return this.#longString(start, stop);
    }
    return shortAscii(bytes, start, stop);
  }

  /** A copy. */
  bytes(): Uint8Array {
    const stop = this.#stop();
    const start = this.#at;
    this.#at = stop;
    const copy = new Uint8Array(stop - start); // `slice` of a Buffer would be a view
    copy.set(this.#bytes.subarray(start, stop));
    return copy;
  }

  /** Steps into a message that is a field. Returns what `leave` needs to step out again. */
  enter(): number {
    const stop = this.#stop();
    const outerEnd = this.#end;
    if (this.#fault === null) this.#end = stop;
    return outerEnd;
  }

  leave(outerEnd: number): void {
    if (this.#fault === null) this.#end = outerEnd;
  }

  /** Passes over a field that nobody knows, or that has not the wire type it should have. */
  skip(tag: number): void {
    this.#skip(tag, 0);
  }

  #skip(tag: number, depth: number): void {
    switch (tag & 7) {
      case WireType.Varint:
        return this.#varint();
      case WireType.Bit64:
        return this.#advance(8);
      case WireType.Bit32:
        return this.#advance(4);
      case WireType.Length:
        this.#at = this.#stop();
        return;
      case WireType.GroupStart:
        return this.#skipGroup(tag, depth + 1);
      case WireType.GroupEnd:
        return void this.#fail(this.#at, "a group ends that has not begun");
      default:
        // 0 stands for a fault that has been said.
        if (tag !== 0) this.#fail(this.#at, `a field has the unknown wire type ${tag & 7}`);
    }
  }

  #skipGroup(start: number, depth: number): void {
    if (depth > GROUP_DEPTH_MAX) return void this.#fail(this.#at, "groups are nested too deep");
    while (this.hasMore()) {
      const tag = this.tag();
      if (tag === start - WireType.GroupStart + WireType.GroupEnd) return;
      this.#skip(tag, depth);
    }
    this.#fail(this.#at, "it ends within a group");
  }

  #advance(byteCount: number): void {
    if (this.#at + byteCount > this.#end) {
      return void this.#fail(this.#at, "it ends within a field");
    }
    this.#at += byteCount;
  }

  /** Where the field ends whose length comes next. */
  #stop(): number {
    const at = this.#at;
    const length = this.uint32();
    if (length <= this.#end - this.#at) return this.#at + length;
    this.#fail(at, `a length of ${length}, and ${this.#end - this.#at} bytes are left`);
    return this.#end;
  }

  #varint(): void {
    const bytes = this.#bytes;
    const start = this.#at;
    const end = Math.min(this.#end, start + VARINT_BYTES_MAX);
    let at = start;
    let low = 0;
    let high = 0;
    let byte = 0x80;
    for (let shift = 0; shift < 28 && byte > 0x7f && at < end; shift += 7) {
      byte = bytes[at] as number;
      low |= (byte & 0x7f) << shift;
      at += 1;
    }
    if (byte > 0x7f && at < end) {
      byte = bytes[at] as number;
      low |= (byte & 0x7f) << 28;
      high = (byte & 0x7f) >>> 4;
      at += 1;
    }
    for (let shift = 3; byte > 0x7f && at < end; shift += 7) {
      byte = bytes[at] as number;
      high |= (byte & 0x7f) << shift; // the tenth byte: what is over 64 bits is lost
      at += 1;
    }
    this.#low = low;
    this.#high = high;
    if (byte > 0x7f) this.#failVarint(at - start);
    else this.#at = at;
  }

  #failVarint(byteCount: number): void {
    this.#low = 0;
    this.#high = 0;
    const isTooLong = byteCount === VARINT_BYTES_MAX;
    this.#fail(this.#at, isTooLong ? "a number of more than ten bytes" : "it ends within a number");
  }

  #fixed32(at: number): number {
    const bytes = this.#bytes;
    return (
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)
    );
  }

  #toWord(): DataView {
    this.#word.setUint32(0, this.#low, true);
    this.#word.setUint32(4, this.#high, true);
    return this.#word;
  }

  #longString(start: number, stop: number): string {
    try {
      return utf8.decode(this.#bytes.subarray(start, stop));
    } catch {
      this.#fail(start, "a text that is not UTF-8");
      return "";
    }
  }

  /** Returns 0, for those who have to return a number. */
  #fail(at: number, what: string): 0 {
    this.#fault ??= `byte ${at}: ${what}`;
    this.#end = this.#at;
    return 0;
  }
}

/** Eight characters a call: a call for each would cost more than the rest of the message. */
function shortAscii(bytes: Uint8Array, start: number, stop: number): string {
  let text = "";
  let at = start;
  for (; stop - at >= 8; at += 8) {
    text += String.fromCharCode(
      bytes[at] as number,
      bytes[at + 1] as number,
      bytes[at + 2] as number,
      bytes[at + 3] as number,
      bytes[at + 4] as number,
      bytes[at + 5] as number,
      bytes[at + 6] as number,
      bytes[at + 7] as number,
    );
  }
  if (stop - at >= 4) {
    text += String.fromCharCode(
      bytes[at] as number,
      bytes[at + 1] as number,
      bytes[at + 2] as number,
      bytes[at + 3] as number,
    );
    at += 4;
  }
  if (stop - at >= 2) {
    text += String.fromCharCode(bytes[at] as number, bytes[at + 1] as number);
    at += 2;
  }
  return stop > at ? text + String.fromCharCode(bytes[at] as number) : text;
}
