// SPDX-License-Identifier: Apache-2.0
/** What values of options mean: unsigned integers, text and blocks (RFC 7252 §3.2, RFC 7959). */
import { isUtf8 } from "node:buffer";
import type { CoapOption, DecodedOption } from "./message.ts";

/** At most six bytes, most significant first, without useless zeros. */
export function uintOption(number: number, value: number): CoapOption {
  return { number, value: encodeUint(value) };
}

export function encodeUint(value: number): Buffer {
  let byteCount = 0;
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) byteCount += 1;
  const bytes = Buffer.alloc(byteCount);
  if (byteCount > 0) bytes.writeUIntBE(value, 0, byteCount);
  return bytes;
}

/** Of at most six bytes. */
export function decodeUint(bytes: Buffer): number {
  return bytes.length === 0 ? 0 : bytes.readUIntBE(0, bytes.length);
}

export function textOption(number: number, text: string): CoapOption {
  return { number, value: Buffer.from(text, "utf8") };
}

/** null: not UTF-8. */
export function decodeText(bytes: Buffer): string | null {
  return isUtf8(bytes) ? bytes.toString("utf8") : null;
}

/** The value of the first option with this number. */
export function optionValue(options: readonly DecodedOption[], number: number): Buffer | null {
  for (const option of options) if (option.number === number) return option.value;
  return null;
}

export function optionUint(options: readonly DecodedOption[], number: number): number | null {
  const value = optionValue(options, number);
  return value === null ? null : decodeUint(value);
}

/** A block of a body (RFC 7959 §2.2). */
export interface Block {
  /** From 0; byte offset = number × size. */
  readonly number: number;
  readonly hasMore: boolean;
  /** The size is 2^(4 + exponent), 16 to 1,024 bytes. */
  readonly sizeExponent: number;
}

export const MAX_SIZE_EXPONENT = 6;
const MAX_BLOCK_NUMBER = 0xf_ffff;

export function blockBytes(sizeExponent: number): number {
  return 1 << (4 + sizeExponent);
}

export function blockOption(number: number, block: Block): CoapOption {
  return uintOption(number, block.number * 16 + (block.hasMore ? 8 : 0) + block.sizeExponent);
}

/** null: a size that is reserved (§2.2), or a number beyond 20 bits. */
export function decodeBlock(bytes: Buffer): Block | null {
  const value = decodeUint(bytes);
  const sizeExponent = value & 7;
  const number = Math.floor(value / 16);
  if (sizeExponent > MAX_SIZE_EXPONENT || number > MAX_BLOCK_NUMBER) return null;
  return { number, hasMore: (value & 8) !== 0, sizeExponent };
}
