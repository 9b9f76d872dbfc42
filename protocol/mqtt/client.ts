// SPDX-License-Identifier: Apache-2.0
/**
 * The device's side of one MQTT connection, over a stream that somebody else has opened. The agent
 * has one; a swarm has thousands in a process, so a session is small: event handlers are shared by
 * all of them, it has one timer, and nothing is allocated a packet but the packet (and the promise
 * of a QoS 1 publish).
 *
 * States: new → connecting (`connect`) → open (an accepting CONNACK) → over (`closed` resolves when
 * the stream is closed). A session is used once and keeps nothing for the next one: who needs a
 * message delivered publishes it again.
 */
import assert from "node:assert/strict";
import type { Duplex } from "node:stream";
import type { CancelTimer, Clock } from "../../ports/clock.ts";
import { ClientDeliveries, IN_FLIGHT_MAX, UNASKED } from "./client-deliveries.ts";
import { ClientKeepAlive } from "./client-keep-alive.ts";
import type { ConnectRequest, MqttClient, MqttClientOptions } from "./client-options.ts";
import type { PublishOptions, RequestOptions } from "./client-options.ts";
import type { CloseReason, ConnectOutcome } from "./client-outcomes.ts";
import type { PublishOutcome, SubscribeOutcome } from "./client-outcomes.ts";
import { ABORTED, CLOSED, QUEUE_FULL, SENT, TOO_LARGE } from "./client-outcomes.ts";
import { ClientOutput } from "./client-output.ts";
import { type AnswerType, ClientRequest, ClientRequests } from "./client-requests.ts";
import { encodeConnect } from "./connect-encoder.ts";
import { DEFAULT_DECODER_LIMITS } from "./decoder-limits.ts";
import { PacketDecoder } from "./decoder.ts";
import { encodeDisconnect, encodePublish } from "./encoder.ts";
import { MALFORMED, PacketType, type ProtocolLevel } from "./packet-type.ts";
import type { Connack, MalformedPacket, Packet, Publish } from "./packets.ts";
import { ReasonCode } from "./reason-codes.ts";
import { encodeSubscribe } from "./subscribe-encoder.ts";

/** Bytes that may wait in the transport before QoS 0 is dropped instead of piled up. */
const OUTPUT_BYTES_MAX = 262_144;
const CONNECT_TIMEOUT_MS = 10_000;
/** How long a goodbye may take to leave before the stream is destroyed. */
const CLOSE_TIMEOUT_MS = 2_000;

/** A transport knows its session: this is what lets all sessions share their handlers. */
const SESSION: unique symbol = Symbol("session");
interface SessionTransport extends Duplex {
  [SESSION]: MqttClientSession;
}

export class MqttClientSession implements MqttClient {
  readonly closed: Promise<CloseReason>;
  readonly #transport: SessionTransport;
  readonly #clock: Pick<Clock, "setTimer">;
  readonly #protocolLevel: ProtocolLevel;
  readonly #onPublish: MqttClientOptions["onPublish"];
  readonly #maxPacketBytes: number;
  readonly #decoder: PacketDecoder;
  readonly #output: ClientOutput;
  readonly #requests: ClientRequests;
  readonly #deliveries: ClientDeliveries;
  readonly #keepAlive: ClientKeepAlive;
  readonly #resolveClosed: (reason: CloseReason) => void;
  #resolveConnect: ((outcome: ConnectOutcome) => void) | null = null;
  #state: "new" | "connecting" | "open" | "over" = "new";
  #closeReason: CloseReason = { cause: "transport", error: undefined };
  #mayUseQos1 = true;
  #cancelTimer: CancelTimer | null = null;

  constructor(options: MqttClientOptions) {
    const { transport, protocolLevel, limits = DEFAULT_DECODER_LIMITS } = options;
    this.#transport = Object.assign(transport, { [SESSION]: this });
    this.#clock = options.clock;
    this.#protocolLevel = protocolLevel;
    this.#onPublish = options.onPublish;
    this.#maxPacketBytes = limits.maxPacketBytes;
    this.#decoder = new PacketDecoder({ receiver: "client", protocolLevel, limits });
    this.#output = new ClientOutput(transport);
    this.#requests = new ClientRequests(this.#output);
    this.#deliveries = new ClientDeliveries({ output: this.#output, protocolLevel });
    this.#keepAlive = new ClientKeepAlive(this.#output);
    const { promise, resolve } = Promise.withResolvers<CloseReason>();
    this.closed = promise;
    this.#resolveClosed = resolve;
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** Once. At level 5 it announces our limits unless `request.properties` has others. */
  async connect(request: ConnectRequest, signal: AbortSignal): Promise<ConnectOutcome> {
    assert(this.#state === "new", "a session connects once");
    assert(request.properties?.topicAliasMaximum === undefined, "a session keeps no topic aliases");
    this.#state = "connecting";
    const { promise, resolve } = Promise.withResolvers<ConnectOutcome>();
    this.#resolveConnect = resolve;
    this.#setTimer(request.connectTimeoutMs ?? CONNECT_TIMEOUT_MS);
    this.#attach();
    const onAbort = (): void => this.#end({ cause: "aborted" }, null);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    this.#keepAlive.seconds = request.keepAliveSeconds;
    const properties = {
      receiveMaximum: IN_FLIGHT_MAX,
      maximumPacketSizeBytes: this.#maxPacketBytes,
      ...request.properties,
    };
    const protocolLevel = this.#protocolLevel;
    this.#output.send(encodeConnect({ ...request, protocolLevel, properties }));
    const outcome = await promise;
    signal.removeEventListener("abort", onAbort);
    return outcome;
  }

  publish(topic: string, payload: Uint8Array, options: PublishOptions): Promise<PublishOutcome> {
    const { qos, properties, signal } = options;
    if (!this.isOpen) return CLOSED;
    if (signal?.aborted === true) return ABORTED;
    if (qos === 1 && !this.#mayUseQos1) {
      const reasonCode = ReasonCode.QosNotSupported;
      return Promise.resolve({ kind: "acknowledged", reasonCode, properties: undefined });
    }
    const packetId = qos === 0 ? 0 : this.#requests.takePacketId();
    const isFull = qos === 0 ? this.#output.waitingBytes > OUTPUT_BYTES_MAX : packetId === 0;
    if (isFull) return QUEUE_FULL;
    const fields = { topic, payload, qos, packetId, properties, retain: false, dup: false };
    const bytes = encodePublish(this.#protocolLevel, fields);
    if (bytes.length > this.#output.maxPacketBytes) return TOO_LARGE;
    if (qos === 1) return this.#request<PublishOutcome>(PacketType.Puback, packetId, bytes, signal);
    this.#output.send(bytes);
    return SENT;
  }

  subscribe(filters: readonly string[], options: RequestOptions): Promise<SubscribeOutcome> {
    const { qos, signal } = options;
    if (!this.isOpen) return CLOSED;
    if (signal?.aborted === true) return ABORTED;
    const packetId = this.#requests.takePacketId();
    if (packetId === 0) return QUEUE_FULL;
    const defaults = { noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
    const subscriptions = filters.map((filter) => ({ filter, qos, ...defaults }));
    const bytes = encodeSubscribe(this.#protocolLevel, { packetId, subscriptions });
    if (bytes.length > this.#output.maxPacketBytes) return TOO_LARGE;
    return this.#request<SubscribeOutcome>(PacketType.Suback, packetId, bytes, signal);
  }

  disconnect(): Promise<CloseReason> {
    this.#end({ cause: "disconnected" }, ReasonCode.Success);
    return this.closed;
  }

  #request<Outcome>(
    answerType: AnswerType,
    packetId: number,
    bytes: Buffer,
    signal: AbortSignal | undefined,
  ): Promise<Outcome> {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const owner = this.#requests;
    owner.add(new ClientRequest({ owner, packetId, answerType, bytes, resolve, signal }));
    // The type of the answer decides the type of the outcome.
    return promise as Promise<Outcome>;
  }

  #attach(): void {
    const transport = this.#transport;
    // The emitter calls them with itself as `this`, so that one set serves all sessions.
    /* oxlint-disable typescript/unbound-method */
    transport.on("data", MqttClientSession.#onData);
    transport.on("end", MqttClientSession.#onEnd);
    transport.on("error", MqttClientSession.#onError);
    transport.on("close", MqttClientSession.#onClose);
    /* oxlint-enable typescript/unbound-method */
    // It may have closed before anybody listened.
    if (transport.destroyed) this.#finish();
  }

  static #onData(this: SessionTransport, chunk: Uint8Array): void {
    this[SESSION].#receive(chunk);
  }
  static #onEnd(this: SessionTransport): void {
    this[SESSION].#end({ cause: "transport", error: undefined }, null);
    this.destroy();
  }
  static #onError(this: SessionTransport, error: Error): void {
    this[SESSION].#end({ cause: "transport", error }, null);
  }
  static #onClose(this: SessionTransport): void {
    this[SESSION].#finish();
  }

  #receive(chunk: Uint8Array): void {
    if (this.#state === "over") return;
    this.#keepAlive.hasHeard = true;
    // What is answered to one chunk leaves in one write.
    this.#transport.cork();
    this.#decoder.push(chunk);
    for (let packet = this.#decoder.next(); packet !== null; packet = this.#decoder.next()) {
      this.#handle(packet);
      if (this.#output.isClosed) break;
    }
    this.#transport.uncork();
  }

  #handle(packet: Packet | MalformedPacket): void {
    switch (packet.type) {
      case PacketType.Publish:
        return this.#deliver(packet);
      case PacketType.Puback:
      case PacketType.Suback:
        return this.#requests.answer(packet);
      case PacketType.Pingresp:
        return;
      case PacketType.Connack:
        return this.#onConnack(packet);
      case PacketType.Disconnect: {
        const { reasonCode, properties } = packet;
        return this.#end({ cause: "server-disconnected", reasonCode, properties }, null);
      }
      case MALFORMED:
        return this.#end({ cause: "malformed", packet }, packet.reasonCode);
      default:
        return this.#end({ cause: "malformed", packet: UNASKED }, UNASKED.reasonCode);
    }
  }

  #onConnack(connack: Connack): void {
    const { reasonCode, properties } = connack;
    if (reasonCode !== ReasonCode.Success) {
      return this.#end({ cause: "refused", reasonCode, properties }, null);
    }
    this.#state = "open";
    this.#requests.windowSize = Math.min(
      IN_FLIGHT_MAX,
      properties?.receiveMaximum ?? IN_FLIGHT_MAX,
    );
    this.#output.maxPacketBytes = properties?.maximumPacketSizeBytes ?? Number.MAX_SAFE_INTEGER;
    this.#mayUseQos1 = properties?.maximumQos !== 0;
    // The server's word counts [MQTT-3.1.2-21].
    this.#keepAlive.seconds = properties?.serverKeepAliveSeconds ?? this.#keepAlive.seconds;
    this.#setTimer(this.#keepAlive.tickMs);
    this.#resolveConnect?.({ kind: "accepted", connack });
  }

  #deliver(message: Publish): void {
    const violation = this.#deliveries.violationBy(message);
    if (violation !== null) {
      return this.#end({ cause: "malformed", packet: violation }, violation.reasonCode);
    }
    try {
      const handled = this.#onPublish(message, this);
      if (handled !== undefined) void this.#finishDelivery(message, handled);
      else if (message.qos === 1) this.#deliveries.addHandled(message.packetId);
    } catch (error) {
      this.#end({ cause: "handler-failed", error }, ReasonCode.ImplementationSpecificError);
    }
  }

  async #finishDelivery(message: Publish, handled: Promise<void>): Promise<void> {
    const delivery = message.qos === 1 ? this.#deliveries.add(message.packetId) : null;
    try {
      await handled;
      if (delivery !== null) this.#deliveries.finish(delivery);
    } catch (error) {
      this.#end({ cause: "handler-failed", error }, ReasonCode.ImplementationSpecificError);
    }
  }

  /** Ends the session; with `farewell`, after telling the server why (level 4 has no reasons). */
  #end(reason: CloseReason, farewell: ReasonCode | null): void {
    if (this.#state === "over") return;
    const mayTell = farewell === ReasonCode.Success || this.#protocolLevel === 5;
    const tells = this.isOpen && farewell !== null && mayTell;
    this.#state = "over";
    this.#closeReason = reason;
    this.#output.isClosed = true;
    this.#requests.closeAll();
    this.#resolveConnect?.({ kind: "closed", reason });
    if (!tells) this.#transport.destroy();
    else {
      this.#transport.end(encodeDisconnect(this.#protocolLevel, { reasonCode: farewell }));
      this.#setTimer(CLOSE_TIMEOUT_MS);
    }
  }

  /** The stream is closed. */
  #finish(): void {
    this.#end(this.#closeReason, null);
    this.#setTimer(0);
    this.#resolveClosed(this.#closeReason);
  }

  /** There is one timer, and what it means depends on the state. 0 is none. */
  #setTimer(delayMs: number): void {
    this.#cancelTimer?.();
    this.#cancelTimer = delayMs === 0 ? null : this.#clock.setTimer(delayMs, this.#onTimer);
  }

  readonly #onTimer = (): void => {
    if (this.#state === "connecting") return this.#end({ cause: "connect-timeout" }, null);
    if (this.#state === "over") return void this.#transport.destroy();
    if (!this.#keepAlive.tick()) return this.#end({ cause: "keep-alive-timeout" }, null);
    this.#setTimer(this.#keepAlive.tickMs);
  };
}
