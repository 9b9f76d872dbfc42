// SPDX-License-Identifier: Apache-2.0
/**
 * Bytes of a datagram to a message (RFC 7252 §3), and bytes to options alone (RFC 8613 §5.3 has
 * them behind a code). In place: values are views of what was received. Whatever the bytes are,
 * nothing is thrown: what breaks a rule is returned.
 *
 * Only what makes the bytes unreadable is a fault here. Whether an option is known and fits its
 * rule is the receiver's business, for it depends on the option what follows (`option-checks.ts`).
 */
import { Code, type MessageType } from "./codes.ts";
import type { DecodedMessage, DecodedOption, MessageFault } from "./message.ts";

/** More than any request to a gateway has; a datagram has room for a thousand empty ones. */
export const MAX_OPTIONS = 32;

const HEADER_BYTES = 4;
const VERSION = 1;
const MAX_TOKEN_BYTES = 8;
const PAYLOAD_MARKER = 0xff;
/** Nibbles of an option's first byte from which on its value follows in further bytes (§3.1). */
const ONE_BYTE_MORE = 13;
const TWO_BYTES_MORE = 14;
const RESERVED_NIBBLE = 15;

/** Options, and where what follows them begins. */
export interface DecodedOptions {
  readonly options: readonly DecodedOption[];
  readonly payload: Buffer;
}

/** The part of a fault that the bytes of the options say. */
export type OptionsFault = Pick<MessageFault, "fault" | "clause">;

const NO_BYTES = Buffer.alloc(0);

export function decodeMessage(datagram: Buffer): DecodedMessage | MessageFault {
  if (datagram.length < HEADER_BYTES) {
    return faulty(null, "a message has at least four bytes", "RFC 7252 §3");
  }
  const first = datagram[0] as number;
  if (first >> 6 !== VERSION) {
    // §3: messages of an unknown version are passed over in silence.
    return faulty(null, "the version is not 1", "RFC 7252 §3");
  }
  const tokenBytes = first & 0x0f;
  if (tokenBytes > MAX_TOKEN_BYTES) {
    return faulty(datagram, "a token has at most eight bytes", "RFC 7252 §3");
  }
  const type = ((first >> 4) & 3) as MessageType;
  const code = datagram[1] as number;
  const messageId = datagram.readUInt16BE(2);
  if (code === Code.Empty) {
    if (datagram.length > HEADER_BYTES || tokenBytes > 0) {
      return faulty(datagram, "an empty message has a header only", "RFC 7252 §4.1");
    }
    return { type, code, messageId, token: NO_BYTES, options: [], payload: NO_BYTES };
  }
  const optionsAt = HEADER_BYTES + tokenBytes;
  if (datagram.length < optionsAt) {
    return faulty(datagram, "the token ends after the datagram", "RFC 7252 §3");
  }
  const decoded = decodeOptions(datagram, optionsAt);
  if ("fault" in decoded) return faulty(datagram, decoded.fault, decoded.clause);
  const { options, payload } = decoded;
  const token = datagram.subarray(HEADER_BYTES, optionsAt);
  return { type, code, messageId, token, options, payload };
}

/** Reads from `start` to the end of `bytes`: options, and a payload where there is one. */
export function decodeOptions(bytes: Buffer, start: number): DecodedOptions | OptionsFault {
  const options: DecodedOption[] = [];
  let at = start;
  let number = 0;
  while (at < bytes.length) {
    const first = bytes[at] as number;
    at += 1;
    if (first === PAYLOAD_MARKER) {
      if (at === bytes.length) return { fault: "nothing follows the marker", clause: RULE_PAYLOAD };
      return { options, payload: bytes.subarray(at) };
    }
    if (options.length === MAX_OPTIONS) {
      return { fault: `there are more than ${MAX_OPTIONS} options`, clause: "limit maxOptions" };
    }
    const deltaNibble = first >> 4;
    const lengthNibble = first & 0x0f;
    if (deltaNibble === RESERVED_NIBBLE || lengthNibble === RESERVED_NIBBLE) {
      return { fault: "an option has a reserved length", clause: RULE_OPTION };
    }
    const delta = extended(bytes, at, deltaNibble);
    at += extraBytes(deltaNibble);
    const length = extended(bytes, at, lengthNibble);
    at += extraBytes(lengthNibble);
    number += delta;
    if (at + length > bytes.length) {
      return { fault: "an option ends after its message", clause: RULE_OPTION };
    }
    if (number > 0xffff) return { fault: "an option number is too large", clause: RULE_OPTION };
    options.push({ number, value: bytes.subarray(at, at + length) });
    at += length;
  }
  return { options, payload: NO_BYTES };
}

const RULE_PAYLOAD = "RFC 7252 §3";
const RULE_OPTION = "RFC 7252 §3.1";

function extraBytes(nibble: number): number {
  return nibble < ONE_BYTE_MORE ? 0 : nibble - ONE_BYTE_MORE + 1;
}

/** Past the end it reads as something; what follows is then past the end as well. */
function extended(bytes: Buffer, at: number, nibble: number): number {
  if (nibble < ONE_BYTE_MORE) return nibble;
  const high = bytes[at] ?? 0;
  if (nibble < TWO_BYTES_MORE) return high + 13;
  return (high << 8) + (bytes[at + 1] ?? 0) + 269;
}

function faulty(datagram: Buffer | null, fault: string, clause: string): MessageFault {
  if (datagram === null) return { fault, clause, type: -1, messageId: -1 };
  const type = (((datagram[0] as number) >> 4) & 3) as MessageType;
  return { fault, clause, type, messageId: datagram.readUInt16BE(2) };
}
