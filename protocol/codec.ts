// SPDX-License-Identifier: Apache-2.0
/**
 * One kind of message as bytes, whatever the format: what is sent and received goes through this,
 * and so does what is measured (`npm run bench codec`).
 */

export interface Codec<Message> {
  /** Never throws for a message that its type allows. */
  encode(message: Message): Uint8Array;
  /**
   * Never throws, whatever the bytes are: what is no such message is a fault. Nothing of the result
   * lies in `bytes`. The caller bounds their length; time and memory are linear in it.
   */
  decode(bytes: Uint8Array): Message | DecodeFault;
}

/** Longest reason; what a sender wrote may be part of it. */
const REASON_CHARACTERS_MAX = 200;

/** Why bytes are not the message that they should be. */
export class DecodeFault {
  /**
   * One line for whoever wrote the sender: where, and what is wrong there. Printable ASCII, so that
   * it may go into any log or packet.
   */
  readonly reason: string;

  constructor(reason: string) {
    this.reason = reason.slice(0, REASON_CHARACTERS_MAX).replaceAll(/[^\x20-\x7e]/g, "?");
  }
}

export function isFault(decoded: unknown): decoded is DecodeFault {
  return decoded instanceof DecodeFault;
}
