// SPDX-License-Identifier: Apache-2.0
/** A request of a device on its way through the listener, and what is answered. */
import type { MessageType } from "../../../protocol/coap/codes.ts";
import type { CoapOption, DecodedOption } from "../../../protocol/coap/message.ts";
import type { Source } from "./source.ts";

/** What an answer needs of the request that it answers, and how it is protected. */
export interface Answered {
  readonly token: Buffer;
  /** Row of the device's keys under OSCORE; -1 = nothing is protected. */
  readonly keyRow: number;
  /** Under OSCORE, the request's Partial IV; else empty. */
  readonly partialIv: Buffer;
}

/** A datagram's request, read as far as the listener can read it. */
export interface CoapRequest extends Answered {
  readonly source: Source;
  /** Of the datagram. */
  readonly receivedBytes: number;
  readonly type: MessageType;
  readonly messageId: number;
  readonly code: number;
  /** Those that the gateway acts on, each as long as it may be. */
  readonly options: readonly DecodedOption[];
  readonly payload: Buffer;
}

/** One whose sender is known, as far as the listener knows anybody. */
export interface DeviceRequest extends CoapRequest {
  readonly tenant: string;
  readonly device: string;
  /** Binds an Echo value to whom it was made for. */
  readonly echoSubject: number;
  /**
   * The sender has shown that he receives what is sent to the source. If not, he is sent three
   * times what he has sent at most: his address may be somebody else's.
   */
  isVerified: boolean;
}

/** What is kept of a request that is answered later. */
export interface HeldRequest extends Answered {
  readonly source: Source;
  readonly type: MessageType;
}

/** Without what the request said: its datagram need not stay in memory. */
export function heldRequest({ source, type, keyRow, token, partialIv }: CoapRequest): HeldRequest {
  const copies = { token: Buffer.from(token), partialIv: Buffer.from(partialIv) };
  return { source, type, keyRow, ...copies };
}

export interface CoapReply {
  readonly code: number;
  readonly options: readonly CoapOption[];
  readonly payload: Uint8Array;
}

const NO_BYTES = new Uint8Array(0);

/** A reply of a code, and words for people where it is an error (RFC 7252 §5.5.2). */
export function plainReply(code: number, words = ""): CoapReply {
  const payload = words === "" ? NO_BYTES : Buffer.from(words, "utf8");
  return { code, options: [], payload };
}
