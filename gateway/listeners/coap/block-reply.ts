// SPDX-License-Identifier: Apache-2.0
/** A representation as an answer: whole, or the block that was asked for (RFC 7959 §2.4). */
import { Code } from "../../../protocol/coap/codes.ts";
import type { CoapOption } from "../../../protocol/coap/message.ts";
import {
  blockBytes,
  blockOption,
  MAX_SIZE_EXPONENT,
  uintOption,
  type Block,
} from "../../../protocol/coap/option-values.ts";
import { ContentFormat, OptionNumber } from "../../../protocol/coap/options.ts";
import type { CoapReply } from "./coap-request.ts";

/** The last message on the observed channel: what a GET of it gives. */
export interface Representation {
  readonly payload: Uint8Array;
  /** Another for each message. */
  readonly etag: number;
}

/**
 * `block` null: the client asked for none. `sequence`: of a notification (RFC 7641 §4.4), null
 * where it is an answer like any other. A block behind the end is a fault.
 */
export function contentReply(
  { payload, etag }: Representation,
  block: Pick<Block, "number" | "sizeExponent"> | null,
  sequence: number | null,
): CoapReply | { readonly fault: string } {
  const sizeExponent = block?.sizeExponent ?? MAX_SIZE_EXPONENT;
  const number = block?.number ?? 0;
  const start = number * blockBytes(sizeExponent);
  const stop = start + blockBytes(sizeExponent);
  if (number > 0 && start >= payload.length) return { fault: "there is no such block" };
  const hasMore = stop < payload.length;
  const isWhole = number === 0 && !hasMore;
  const options: CoapOption[] = [];
  if (payload.length > 0) options.push({ number: OptionNumber.ETag, value: etagBytes(etag) });
  if (sequence !== null) options.push(uintOption(OptionNumber.Observe, sequence));
  if (payload.length > 0) {
    options.push(uintOption(OptionNumber.ContentFormat, ContentFormat.Json));
  }
  if (!isWhole || block !== null) {
    options.push(blockOption(OptionNumber.Block2, { number, hasMore, sizeExponent }));
  }
  if (!isWhole && number === 0) options.push(uintOption(OptionNumber.Size2, payload.length));
  return { code: Code.Content, options, payload: payload.subarray(start, stop) };
}

function etagBytes(etag: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(etag);
  return bytes;
}
