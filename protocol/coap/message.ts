// SPDX-License-Identifier: Apache-2.0
/** A CoAP message (RFC 7252 §3) as values. */
import type { MessageType } from "./codes.ts";

export interface CoapOption {
  readonly number: number;
  readonly value: Uint8Array;
}

export interface CoapMessage {
  readonly type: MessageType;
  readonly code: number;
  /** 16 bits; matches acknowledgements with messages, and finds duplicates. */
  readonly messageId: number;
  /** 0–8 bytes; matches responses with requests. */
  readonly token: Uint8Array;
  /** In order of their numbers. */
  readonly options: readonly CoapOption[];
  readonly payload: Uint8Array;
}

/** A message as it was received: values lie in the datagram and are as short-lived as it. */
export interface DecodedMessage extends CoapMessage {
  readonly token: Buffer;
  readonly options: readonly DecodedOption[];
  readonly payload: Buffer;
}

export interface DecodedOption extends CoapOption {
  readonly value: Buffer;
}

/**
 * Why received bytes are no message. Whoever drives the decoder answers a confirmable one by a
 * reset and passes the others over (§4.2, §4.3).
 */
export interface MessageFault {
  /** One sentence for a log; it quotes nothing that was received. */
  readonly fault: string;
  /** `RFC 7252 §3.1`, or `limit maxOptions`. */
  readonly clause: string;
  /** Of the message, where its first four bytes can be read; -1 where not. */
  readonly type: MessageType | -1;
  readonly messageId: number;
}
