// SPDX-License-Identifier: Apache-2.0
/** What OSCORE encrypts (RFC 8613 §5.3): a code, the options that belong inside, a payload. */
import { decodeOptions, type DecodedOptions, type OptionsFault } from "../decoder.ts";
import { contentBytes, writeContent } from "../encoder.ts";
import type { CoapOption } from "../message.ts";

export interface InnerMessage extends DecodedOptions {
  readonly code: number;
}

export function encodeInner(
  code: number,
  options: readonly CoapOption[],
  payload: Uint8Array,
): Buffer {
  const bytes = Buffer.allocUnsafe(1 + contentBytes(options, payload));
  bytes[0] = code;
  writeContent(bytes, 1, options, payload);
  return bytes;
}

/** `plaintext`: at least one byte. */
export function decodeInner(plaintext: Buffer): InnerMessage | OptionsFault {
  const decoded = decodeOptions(plaintext, 1);
  return "fault" in decoded ? decoded : { code: plaintext[0] as number, ...decoded };
}
