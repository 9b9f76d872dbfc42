// SPDX-License-Identifier: Apache-2.0
/**
 * What a client has asked and the server has not answered: PUBLISH of QoS 1 and SUBSCRIBE, by
 * packet identifier. At most `windowSize` PUBLISH are on the wire (§4.9); the others wait in order.
 *
 * A request whose caller gave up keeps its identifier until the server answers, because the answer
 * would otherwise be taken for that of the next request.
 */
import type { PublishOutcome, SubscribeOutcome } from "./client-outcomes.ts";
import type { ClientOutput } from "./client-output.ts";
import { PacketType } from "./packet-type.ts";
import type { Puback, Suback } from "./packets.ts";

export type RequestOutcome = PublishOutcome | SubscribeOutcome;
/** Which packet answers. */
export type AnswerType = typeof PacketType.Puback | typeof PacketType.Suback;

/** One request. It is its own abort listener, so that none needs a closure. */
export class ClientRequest {
  readonly packetId: number;
  readonly answerType: AnswerType;
  /** The whole packet while it waits to be sent, then null. */
  bytes: Buffer | null;
  readonly #owner: ClientRequests;
  readonly #resolve: (outcome: RequestOutcome) => void;
  readonly #signal: AbortSignal | undefined;

  constructor(options: {
    owner: ClientRequests;
    packetId: number;
    answerType: AnswerType;
    bytes: Buffer;
    resolve: (outcome: RequestOutcome) => void;
    signal: AbortSignal | undefined;
  }) {
    this.#owner = options.owner;
    this.packetId = options.packetId;
    this.answerType = options.answerType;
    this.bytes = options.bytes;
    this.#resolve = options.resolve;
    this.#signal = options.signal;
  }

  listen(): void {
    this.#signal?.addEventListener("abort", this, { once: true });
  }

  /** Called by the signal. */
  handleEvent(): void {
    this.#owner.giveUp(this);
  }

  /** The first outcome counts. */
  settle(outcome: RequestOutcome): void {
    this.#signal?.removeEventListener("abort", this);
    this.#resolve(outcome);
  }
}

/**
 * Requests that wait or are unanswered, all together. A device reports a handful of phases a
 * rollout; what fills this is a log that the server does not keep up with.
 */
const REQUESTS_MAX = 256;
/** Bytes of the packets that wait for the window: four packets of the largest size. */
const WAITING_BYTES_MAX = 1_048_576;

export class ClientRequests {
  /** PUBLISH that may be unacknowledged at once: ours or the server's Receive Maximum. */
  windowSize = 0;
  readonly #output: ClientOutput;
  readonly #byPacketId = new Map<number, ClientRequest>();
  /** PUBLISH that wait for the window, oldest first. */
  #waiting: ClientRequest[] = [];
  #waitingBytes = 0;
  #inFlightCount = 0;
  #lastPacketId = 0;

  constructor(output: ClientOutput) {
    this.#output = output;
  }

  /** A packet identifier that is not in use [MQTT-2.2.1-3]; 0 when there is no room. */
  takePacketId(): number {
    if (this.#byPacketId.size >= REQUESTS_MAX || this.#waitingBytes >= WAITING_BYTES_MAX) return 0;
    do this.#lastPacketId = (this.#lastPacketId % 0xffff) + 1;
    while (this.#byPacketId.has(this.#lastPacketId));
    return this.#lastPacketId;
  }

  add(request: ClientRequest): void {
    this.#byPacketId.set(request.packetId, request);
    request.listen();
    if (request.answerType === PacketType.Suback) this.#transmit(request);
    else {
      this.#waiting.push(request);
      this.#waitingBytes += request.bytes?.length ?? 0;
      this.#fillWindow();
    }
  }

  /** An answer to nothing is ignored: it has no effect, and its request may have been given up. */
  answer(packet: Puback | Suback): void {
    const request = this.#byPacketId.get(packet.packetId);
    if (request === undefined || request.bytes !== null) return;
    if (request.answerType !== packet.type) return;
    this.#byPacketId.delete(packet.packetId);
    if (packet.type === PacketType.Suback) {
      request.settle({ kind: "granted", reasonCodes: packet.reasonCodes });
      return;
    }
    const { reasonCode, properties } = packet;
    request.settle({ kind: "acknowledged", reasonCode, properties });
    this.#inFlightCount--;
    this.#fillWindow();
  }

  giveUp(request: ClientRequest): void {
    request.settle({ kind: "aborted" });
    if (request.bytes === null) return;
    this.#waiting = this.#waiting.filter((other) => other !== request);
    this.#waitingBytes -= request.bytes.length;
    this.#byPacketId.delete(request.packetId);
  }

  /** The session is over. */
  closeAll(): void {
    for (const request of this.#byPacketId.values()) request.settle({ kind: "closed" });
    this.#byPacketId.clear();
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  #fillWindow(): void {
    while (this.#inFlightCount < this.windowSize) {
      const request = this.#waiting.shift();
      if (request === undefined) return;
      this.#inFlightCount++;
      this.#waitingBytes -= request.bytes?.length ?? 0;
      this.#transmit(request);
    }
  }

  #transmit(request: ClientRequest): void {
    const { bytes } = request;
    if (bytes === null) return;
    request.bytes = null;
    this.#output.send(bytes);
  }
}
