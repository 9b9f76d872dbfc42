// SPDX-License-Identifier: Apache-2.0
/** Datagrams as devices and gateways send them: where damage begins. */
import { Code, MessageType } from "../codes.ts";
import { encodeEmpty, encodeMessage } from "../encoder.ts";
import type { CoapMessage, CoapOption } from "../message.ts";
import { blockOption, textOption, uintOption } from "../option-values.ts";
import { ContentFormat, OptionNumber } from "../options.ts";

const TOKEN = Buffer.from("0011223344556677", "hex");
const NO_BYTES = Buffer.alloc(0);

function message(fields: Partial<CoapMessage>, ...options: CoapOption[]): Buffer {
  const { Confirmable: type } = MessageType;
  const empty = { type, code: Code.Post, messageId: 7, token: NO_BYTES, payload: NO_BYTES };
  return encodeMessage({ ...empty, ...fields, options });
}

function path(...segments: string[]): CoapOption[] {
  return segments.map((segment) => textOption(OptionNumber.UriPath, segment));
}

export const SAMPLE_MESSAGES: readonly Buffer[] = [
  encodeEmpty(MessageType.Confirmable, 0x1234),
  encodeEmpty(MessageType.Acknowledgement, 0x1234),
  encodeEmpty(MessageType.Reset, 0xabcd),
  message(
    { token: TOKEN.subarray(0, 4), payload: Buffer.from('{"sequence":1,"slots":{}}') },
    ...path("v1", "heartbeat"),
    uintOption(OptionNumber.ContentFormat, ContentFormat.Json),
    textOption(OptionNumber.UriQuery, "device=pump-1"),
    uintOption(OptionNumber.NoResponse, 2),
  ),
  message(
    { payload: Buffer.alloc(64, "x") },
    ...path("v1", "hello"),
    blockOption(OptionNumber.Block1, { number: 1, hasMore: true, sizeExponent: 2 }),
    textOption(2_000, "an option with both lengths extended".repeat(9)),
  ),
  message(
    { code: Code.Get, token: TOKEN },
    uintOption(OptionNumber.Observe, 0),
    ...path("v1", "offer"),
    { number: OptionNumber.Echo, value: Buffer.alloc(12, 1) },
  ),
  message(
    { code: Code.Content, token: TOKEN, payload: Buffer.from('{"offer":7}') },
    textOption(OptionNumber.ETag, "abcd"),
    uintOption(OptionNumber.Observe, 0x12345),
    uintOption(OptionNumber.ContentFormat, ContentFormat.Json),
    blockOption(OptionNumber.Block2, { number: 0, hasMore: true, sizeExponent: 6 }),
    uintOption(OptionNumber.Size2, 3_000),
  ),
  // OSCORE: request and response of RFC 8613, C.4 and C.7.
  Buffer.from("44025d1f00003974396c6f63616c686f7374620914ff612f1092f1776f1c1668b3825e", "hex"),
  Buffer.from("64445d1f0000397490ffdbaad1e9a7e7b2a813d3c31524378303cdafae119106", "hex"),
];
