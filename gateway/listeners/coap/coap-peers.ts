// SPDX-License-Identifier: Apache-2.0
/** The step "authenticate" of a CoAP listener: a received request becomes that of a device. */
import type { DecodedMessage } from "../../../protocol/coap/message.ts";
import type { DeviceRequest } from "./coap-request.ts";
import type { Source } from "./source.ts";

/** A request as the datagram has it. */
export interface ReceivedRequest {
  readonly message: DecodedMessage;
  readonly source: Source;
  /** Of the datagram. */
  readonly receivedBytes: number;
}

export interface CoapPeers {
  /** null: it was answered, kept for later, or passed over. */
  open(received: ReceivedRequest): DeviceRequest | null;
}
