// SPDX-License-Identifier: Apache-2.0
/**
 * A message, or options alone, to bytes (RFC 7252 §3). What it is given is ours, so what breaks a
 * rule is a bug: options in the order of their numbers, a token of at most 8 bytes.
 */
import assert from "node:assert/strict";
import type { CoapMessage, CoapOption } from "./message.ts";

const HEADER_BYTES = 4;
const VERSION_BITS = 0x40;
const PAYLOAD_MARKER = 0xff;

export function encodeMessage(message: CoapMessage): Buffer {
  const { type, code, messageId, token, options, payload } = message;
  assert(token.length <= 8, "a token has at most eight bytes");
  const optionsAt = HEADER_BYTES + token.length;
  const bytes = Buffer.allocUnsafe(optionsAt + contentBytes(options, payload));
  bytes[0] = VERSION_BITS | (type << 4) | token.length;
  bytes[1] = code;
  bytes[2] = messageId >> 8;
  bytes[3] = messageId & 0xff;
  bytes.set(token, HEADER_BYTES);
  writeContent(bytes, optionsAt, options, payload);
  return bytes;
}

/** A message of four bytes: a code of 0.00 (§4.1). */
export function encodeEmpty(type: CoapMessage["type"], messageId: number): Buffer {
  return Buffer.of(VERSION_BITS | (type << 4), 0, messageId >> 8, messageId & 0xff);
}

/** Bytes of options, and of the payload with its marker. */
export function contentBytes(options: readonly CoapOption[], payload: Uint8Array): number {
  let byteCount = payload.length === 0 ? 0 : 1 + payload.length;
  let before = 0;
  for (const { number, value } of options) {
    byteCount += 1 + extraBytes(number - before) + extraBytes(value.length) + value.length;
    before = number;
  }
  return byteCount;
}

/** Writes what `contentBytes` counts. */
export function writeContent(
  bytes: Buffer,
  start: number,
  options: readonly CoapOption[],
  payload: Uint8Array,
): void {
  let at = start;
  let before = 0;
  for (const { number, value } of options) {
    const delta = number - before;
    assert(delta >= 0, "options are in the order of their numbers");
    before = number;
    bytes[at] = (nibbleOf(delta) << 4) | nibbleOf(value.length);
    at = writeExtra(bytes, at + 1, delta);
    at = writeExtra(bytes, at, value.length);
    bytes.set(value, at);
    at += value.length;
  }
  if (payload.length === 0) return;
  bytes[at] = PAYLOAD_MARKER;
  bytes.set(payload, at + 1);
}

function extraBytes(value: number): number {
  return value < 13 ? 0 : value < 269 ? 1 : 2;
}

function nibbleOf(value: number): number {
  return value < 13 ? value : value < 269 ? 13 : 14;
}

function writeExtra(bytes: Buffer, at: number, value: number): number {
  if (value < 13) return at;
  if (value < 269) {
    bytes[at] = value - 13;
    return at + 1;
  }
  bytes[at] = (value - 269) >> 8;
  bytes[at + 1] = (value - 269) & 0xff;
  return at + 2;
}
