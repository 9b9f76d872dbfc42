// SPDX-License-Identifier: Apache-2.0
/**
 * The message layer of a CoAP listener (RFC 7252 §4), without a socket: datagrams in through
 * `receive`, datagrams out through `transmit`. It tells requests from acknowledgements, resets what
 * it cannot use, and answers what it has answered before. The rest is the request's:
 * authenticate (`CoapPeers`) → route (`DeviceResources`).
 *
 * | received | answer |
 * | --- | --- |
 * | unreadable, a response, a reserved code; confirmable | reset (§4.2) |
 * | the same; not confirmable | nothing (§4.3) |
 * | empty and confirmable (a ping) | reset (§4.3) |
 * | acknowledgement, reset | settles what the gateway has sent |
 * | a confirmable request that was answered before | the same answer (§4.5) |
 * | a request | goes on |
 */
import type { Clock } from "../../../ports/clock.ts";
import { Code, codeClass, MessageType } from "../../../protocol/coap/codes.ts";
import { decodeMessage } from "../../../protocol/coap/decoder.ts";
import { encodeEmpty } from "../../../protocol/coap/encoder.ts";
import type { DecodedMessage, MessageFault } from "../../../protocol/coap/message.ts";
import type { GatewayMetrics } from "../../metrics.ts";
import type { CoapPeers } from "./coap-peers.ts";
import type { ConfirmableSender } from "./confirmable-sender.ts";
import type { DeviceResources } from "./device-resources.ts";
import type { ExchangeCache } from "./exchange-cache.ts";
import type { Source } from "./source.ts";

/**
 * Larger datagrams are not read: a body comes in blocks of 1,024 bytes at most, and a message of
 * one block with options fits an Ethernet frame (RFC 7252 §4.6).
 */
export const MAX_DATAGRAM_BYTES = 1_500;

export interface MessageLayerOptions {
  readonly peers: CoapPeers;
  readonly resources: DeviceResources;
  readonly exchanges: ExchangeCache;
  readonly sender: ConfirmableSender;
  readonly transmit: (bytes: Buffer, to: Source) => void;
  readonly clock: Clock;
  readonly metrics: GatewayMetrics;
}

export class MessageLayer {
  readonly #peers: CoapPeers;
  readonly #resources: DeviceResources;
  readonly #exchanges: ExchangeCache;
  readonly #sender: ConfirmableSender;
  readonly #transmit: (bytes: Buffer, to: Source) => void;
  readonly #clock: Clock;
  readonly #metrics: GatewayMetrics;

  constructor(options: MessageLayerOptions) {
    this.#peers = options.peers;
    this.#resources = options.resources;
    this.#exchanges = options.exchanges;
    this.#sender = options.sender;
    this.#transmit = options.transmit;
    this.#clock = options.clock;
    this.#metrics = options.metrics;
  }

  receive(datagram: Buffer, source: Source): void {
    if (datagram.length > MAX_DATAGRAM_BYTES) return this.#metrics.coapIgnored("too large");
    const message = decodeMessage(datagram);
    if ("fault" in message) return this.#reject(message, source, "malformed");
    const { type, code, messageId } = message;
    if (code === Code.Empty) return this.#receiveEmpty(message, source);
    const isFirst = type === MessageType.Confirmable || type === MessageType.NonConfirmable;
    if (codeClass(code) !== 0 || !isFirst) return this.#reject(message, source, "no request");
    if (type === MessageType.Confirmable) {
      const answer = this.#exchanges.find(source, messageId, this.#clock.monotonicMs());
      if (answer !== null) {
        this.#metrics.coapIgnored("duplicate");
        return this.#transmit(answer, source);
      }
    }
    this.request(message, source, datagram.length);
  }

  /** A request that is not a repeat; also one that had to wait for the keys of its sender. */
  request(message: DecodedMessage, source: Source, receivedBytes: number): void {
    const request = this.#peers.open({ message, source, receivedBytes });
    if (request !== null) this.#resources.handle(request);
  }

  #receiveEmpty({ type, messageId }: DecodedMessage, source: Source): void {
    switch (type) {
      case MessageType.Confirmable:
        return this.#transmit(encodeEmpty(MessageType.Reset, messageId), source);
      case MessageType.Acknowledgement:
        return void this.#sender.settle(source, messageId, "acknowledged");
      case MessageType.Reset:
        return void this.#sender.settle(source, messageId, "reset");
      case MessageType.NonConfirmable: // §4.3: it means nothing.
    }
  }

  #reject(
    { type, messageId }: Pick<DecodedMessage | MessageFault, "type" | "messageId">,
    source: Source,
    why: "malformed" | "no request",
  ): void {
    this.#metrics.coapIgnored(why);
    if (type !== MessageType.Confirmable) return;
    this.#transmit(encodeEmpty(MessageType.Reset, messageId), source);
  }
}
