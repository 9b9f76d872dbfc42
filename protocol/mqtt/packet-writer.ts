// SPDX-License-Identifier: Apache-2.0
/**
 * Writes one packet into a buffer of exactly its size. Encoders first add up what a packet takes,
 * then write it: one allocation, no copying.
 *
 * What an encoder is given is the caller's responsibility, so a value that the wire cannot hold (an
 * id of 0, a string with U+0000, a lone surrogate, or over 65,535 bytes) is a bug and an assertion.
 */
import assert from "node:assert/strict";

/** The largest number that a variable byte integer of four bytes holds (§1.5.5). */
export const VARIABLE_INTEGER_MAX = 268_435_455;

export function variableIntegerBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  return value < 0x20_0000 ? 3 : 4;
}

/** With the two bytes of its length. */
export function stringBytes(text: string): number {
  return 2 + Buffer.byteLength(text);
}

/** With the two bytes of its length. */
export function binaryBytes(bytes: Uint8Array): number {
  return 2 + bytes.length;
}

export class PacketWriter {
  readonly #buffer: Buffer;
  #position = 0;

  /** Starts a packet of `remainingBytes` after its fixed header, and writes that header. */
  constructor(firstByte: number, remainingBytes: number) {
    this.#buffer = Buffer.allocUnsafe(1 + variableIntegerBytes(remainingBytes) + remainingBytes);
    this.uint8(firstByte);
    this.variableInteger(remainingBytes);
  }

  /** The packet; everything that was announced has been written. */
  finish(): Buffer {
    assert.equal(this.#position, this.#buffer.length, "a packet is not as long as announced");
    return this.#buffer;
  }

  uint8(value: number): void {
    assert(value >= 0 && value <= 0xff, "a byte is out of range");
    this.#buffer[this.#position++] = value;
  }

  uint16(value: number): void {
    assert(value >= 0 && value <= 0xffff, "a two byte integer is out of range");
    this.#buffer[this.#position++] = value >> 8;
    this.#buffer[this.#position++] = value & 0xff;
  }

  uint32(value: number): void {
    this.#position = this.#buffer.writeUInt32BE(value, this.#position);
  }

  variableInteger(value: number): void {
    assert(value >= 0 && value <= VARIABLE_INTEGER_MAX, "a variable integer is out of range");
    while (value >= 0x80) {
      this.#buffer[this.#position++] = (value & 0x7f) | 0x80;
      value >>= 7;
    }
    this.#buffer[this.#position++] = value;
  }

  string(text: string): void {
    assert(text.isWellFormed() && !text.includes("\0"), "a string cannot be written as UTF-8");
    const start = this.#position + 2;
    const byteCount = this.#buffer.write(text, start);
    this.uint16(byteCount);
    this.#position = start + byteCount;
  }

  binary(bytes: Uint8Array): void {
    this.uint16(bytes.length);
    this.raw(bytes);
  }

  raw(bytes: Uint8Array): void {
    this.#buffer.set(bytes, this.#position);
    this.#position += bytes.length;
  }

  packetId(packetId: number): void {
    assert(packetId > 0, "a packet identifier must not be 0");
    this.uint16(packetId);
  }
}
