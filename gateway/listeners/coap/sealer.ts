// SPDX-License-Identifier: Apache-2.0
/** How a listener turns an answer into a message: as it is, or under OSCORE. */
import type { MessageType } from "../../../protocol/coap/codes.ts";
import { encodeMessage } from "../../../protocol/coap/encoder.ts";
import type { Answered, CoapReply } from "./coap-request.ts";

export interface MessageHeader {
  readonly type: MessageType;
  readonly messageId: number;
}

export interface Sealer {
  /** null: there is no way to protect it now; nothing may be sent. */
  seal(answered: Answered, reply: CoapReply, header: MessageHeader): Buffer | null;
}

/** Of the insecure listener. */
export const OPEN_SEALER: Sealer = {
  seal: ({ token }, reply, header) => encodeMessage({ ...header, token, ...reply }),
};
