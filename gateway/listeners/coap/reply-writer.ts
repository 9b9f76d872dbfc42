// SPDX-License-Identifier: Apache-2.0
/**
 * Answers on their way out: piggybacked on the acknowledgement of a confirmable request, or as a
 * message that needs none (RFC 7252 §5.2.1, §5.2.3); kept for when the request comes again;
 * suppressed where the client wants to hear of errors only (RFC 7967); and never larger than three
 * times the request while the sender's address may be forged (RFC 9175 §2.4).
 */
import type { Clock } from "../../../ports/clock.ts";
import type { Random } from "../../../ports/random.ts";
import { Code, codeClass, MessageType } from "../../../protocol/coap/codes.ts";
import { encodeEmpty } from "../../../protocol/coap/encoder.ts";
import { optionUint } from "../../../protocol/coap/option-values.ts";
import { OptionNumber } from "../../../protocol/coap/options.ts";
import type { GatewayMetrics } from "../../metrics.ts";
import {
  plainReply,
  type CoapReply,
  type CoapRequest,
  type DeviceRequest,
} from "./coap-request.ts";
import type { EchoValues } from "./echo-values.ts";
import type { ExchangeCache } from "./exchange-cache.ts";
import { OPEN_SEALER, type MessageHeader, type Sealer } from "./sealer.ts";
import type { Source } from "./source.ts";

/** RFC 9175 §2.4 lets a server send no more than this many times what it has received. */
export const MAX_AMPLIFICATION = 3;

export interface ReplyWriterOptions {
  readonly transmit: (bytes: Buffer, to: Source) => void;
  readonly sealer: Sealer;
  readonly exchanges: ExchangeCache;
  readonly echo: EchoValues;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: GatewayMetrics;
}

export class ReplyWriter {
  readonly #transmit: (bytes: Buffer, to: Source) => void;
  readonly #sealer: Sealer;
  readonly #exchanges: ExchangeCache;
  readonly #echo: EchoValues;
  readonly #clock: Clock;
  readonly #metrics: GatewayMetrics;
  #lastMessageId: number;

  constructor(options: ReplyWriterOptions) {
    this.#transmit = options.transmit;
    this.#sealer = options.sealer;
    this.#exchanges = options.exchanges;
    this.#echo = options.echo;
    this.#clock = options.clock;
    this.#metrics = options.metrics;
    this.#lastMessageId = Math.floor(options.random.next() * 0x1_0000);
  }

  /** Answers a request of a device. */
  reply(request: DeviceRequest, reply: CoapReply): void {
    if (isSuppressed(request, reply.code)) {
      this.#metrics.coapAnswered(reply.code);
      if (request.type === MessageType.Confirmable) this.acknowledge(request);
      return;
    }
    const fitting = this.#fitting(request, reply);
    if (fitting === null) return;
    this.#metrics.coapAnswered(fitting.code);
    this.#transmit(fitting.bytes, request.source);
    if (request.type !== MessageType.Confirmable) return;
    this.#keep(request, fitting.bytes);
  }

  /** The answer follows, when there is one (RFC 7252 §5.2.2). */
  acknowledge(request: DeviceRequest): void {
    const bytes = encodeEmpty(MessageType.Acknowledgement, request.messageId);
    this.#transmit(bytes, request.source);
    this.#keep(request, bytes);
  }

  /** Asks the sender to show that he is where his datagram says (RFC 9175 §2.3). */
  challenge(request: DeviceRequest): void {
    this.reply(request, this.#challengeOf(request));
  }

  /**
   * Answers a request whose sender nobody knows: without protection (RFC 8613 §8.2), and without
   * keeping anything.
   */
  refuse(request: CoapRequest, code: number, words = ""): void {
    const mostBytes = request.receivedBytes * MAX_AMPLIFICATION;
    const header = this.#headerOf(request);
    let bytes = OPEN_SEALER.seal(request, plainReply(code, words), header);
    if (bytes === null) return;
    if (bytes.length > mostBytes) bytes = OPEN_SEALER.seal(request, plainReply(code), header);
    if (bytes === null || bytes.length > mostBytes) return;
    this.#metrics.coapAnswered(code);
    this.#transmit(bytes, request.source);
  }

  /** The bytes of the reply, or of what may go out in its place. */
  #fitting(request: DeviceRequest, reply: CoapReply): { bytes: Buffer; code: number } | null {
    const header = this.#headerOf(request);
    const bytes = this.#sealer.seal(request, reply, header);
    if (bytes === null) return null;
    const mostBytes = request.isVerified ? Infinity : request.receivedBytes * MAX_AMPLIFICATION;
    if (bytes.length <= mostBytes) return { bytes, code: reply.code };
    const isError = codeClass(reply.code) >= 4;
    const shorter = isError ? { ...reply, payload: Buffer.alloc(0) } : this.#challengeOf(request);
    const shorterBytes = this.#sealer.seal(request, shorter, header);
    if (shorterBytes === null || shorterBytes.length > mostBytes) return null;
    return { bytes: shorterBytes, code: shorter.code };
  }

  #challengeOf({ source, echoSubject }: DeviceRequest): CoapReply {
    const value = this.#echo.make(source, echoSubject);
    return { ...plainReply(Code.Unauthorized), options: [{ number: OptionNumber.Echo, value }] };
  }

  #headerOf({ type, messageId }: CoapRequest): MessageHeader {
    if (type === MessageType.Confirmable) return { type: MessageType.Acknowledgement, messageId };
    this.#lastMessageId = (this.#lastMessageId + 1) & 0xffff;
    return { type: MessageType.NonConfirmable, messageId: this.#lastMessageId };
  }

  #keep({ source, messageId }: CoapRequest, bytes: Buffer): void {
    this.#exchanges.store(source, messageId, bytes, this.#clock.monotonicMs());
  }
}

/** RFC 7967 §2.1: bit 1 is for 2.xx, bit 3 for 4.xx, bit 4 for 5.xx. */
function isSuppressed(request: DeviceRequest, code: number): boolean {
  const unwanted = optionUint(request.options, OptionNumber.NoResponse);
  return unwanted !== null && ((unwanted >> (codeClass(code) - 1)) & 1) === 1;
}
