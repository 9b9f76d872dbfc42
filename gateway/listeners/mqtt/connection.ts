// SPDX-License-Identifier: Apache-2.0
/**
 * One MQTT connection, without a socket: bytes in through `receive`, bytes out through the
 * transport, everything else through the shared context. No timer, no closure, no event emitter of
 * its own; deadlines are the wheel's.
 *
 *     waiting (for CONNECT) → open → closed
 *
 * - waiting: entered with the connection; left by CONNECT, by the wheel after 10 s, by a fault.
 * - open: there is a session. Publishes are answered in order, deliveries go out as room allows.
 * - closed: final. Nothing is read or written; the session has been told.
 *
 * Limits: 32 unacknowledged messages each way, 64 KiB of output, 8 uses of a foreign topic.
 */
import type { DownChannel, UpChannel } from "../../../protocol/device/topics.ts";
import { encodeConnack } from "../../../protocol/mqtt/connect-encoder.ts";
import { PacketDecoder } from "../../../protocol/mqtt/decoder.ts";
import { encodeDisconnect, encodePublish, PINGRESP } from "../../../protocol/mqtt/encoder.ts";
import {
  MALFORMED,
  PacketType,
  PACKET_NAMES,
  type ProtocolLevel,
} from "../../../protocol/mqtt/packet-type.ts";
import type {
  Connect,
  MalformedPacket,
  Packet,
  Publish,
  Subscribe,
  Unsubscribe,
} from "../../../protocol/mqtt/packets.ts";
import { ReasonCode, reasonCodeName } from "../../../protocol/mqtt/reason-codes.ts";
import { encodeSuback, encodeUnsuback } from "../../../protocol/mqtt/subscribe-encoder.ts";
import { IntakeResult } from "../../pipeline/intake-result.ts";
import { AckQueue } from "../../sessions/ack-queue.ts";
import type { CloseCause, DeliveryOutcome, DeviceLink } from "../../sessions/device-link.ts";
import { deviceKey } from "../../sessions/session-table.ts";
import { deliveryQos } from "../../sessions/subscriptions.ts";
import { CLOSE_CODES } from "./close-codes.ts";
import { decideConnect, malformedAnswer } from "./connect-decision.ts";
import { connectionFacts, peerIdentity, peerSerial } from "./connection-peer.ts";
import type { ConnectionFacts, ConnectionPeer } from "./connection-peer.ts";
import { DeliveryWindow } from "./delivery-window.ts";
import type { MqttContext } from "./mqtt-context.ts";
import { encodeAnswer, encodeTaken } from "./publish-answer.ts";
import { answerSubscribe, answerUnsubscribe } from "./subscribe-answers.ts";
import { downTopic, publishChannel, upPrefix } from "./topic-rules.ts";
import type { MqttTransport } from "./transport.ts";

/** Output that waits in the process; four offers of the largest size. */
export const MAX_OUTPUT_BYTES = 65_536;
/** From here on deliveries wait, so that answers still fit. */
const BLOCKED_OUTPUT_BYTES: number = MAX_OUTPUT_BYTES / 2;
/** One mistake of a configuration is answered; a device that goes on is cut off. */
export const MAX_TOPIC_VIOLATIONS = 8;
/** How long a client may take to read our last word. */
const CLOSING_TIMEOUT_MS = 5_000;

const State = { Waiting: 0, Open: 1, Closed: 2 } as const;

export interface MqttConnectionOptions {
  readonly context: MqttContext;
  readonly transport: MqttTransport;
  readonly peer: ConnectionPeer;
}

export class MqttConnection implements DeviceLink {
  readonly #context: MqttContext;
  readonly #transport: MqttTransport;
  readonly #peer: ConnectionPeer;
  readonly #decoder: PacketDecoder;
  #slot = -1;
  #state: (typeof State)[keyof typeof State] = State.Waiting;
  #level: ProtocolLevel = 4;
  #upPrefix = "";
  #violationCount = 0;
  /** Present only while a message waits for its answer. */
  #acks: AckQueue | null = null;
  /** Present from the first QoS 1 delivery on. */
  #window: DeliveryWindow | null = null;
  #receiveMaximum = 0xffff;
  /** Largest PUBACK with a sentence; 0 = none. */
  #reasonBytesMax = 0;
  /** What is larger never goes out: it would not fit behind output that is not yet blocked. */
  #deliveryBytesMax = BLOCKED_OUTPUT_BYTES;
  #isBlocked = false;

  constructor(options: MqttConnectionOptions) {
    this.#context = options.context;
    this.#transport = options.transport;
    this.#peer = options.peer;
    this.#decoder = new PacketDecoder({ receiver: "server", limits: options.context.limits });
  }

  get certificateSerial(): string {
    return peerSerial(this.#peer);
  }

  /** Takes a slot; false when the gateway is full (the transport is destroyed then). */
  begin(): boolean {
    this.#slot = this.#context.lifecycle.connect(this);
    if (this.#slot !== -1) return true;
    this.#state = State.Closed;
    this.#transport.destroy();
    return false;
  }

  get slot(): number {
    return this.#slot;
  }

  /** Bytes from the device; the chunk may be reused when this returns. */
  receive(chunk: Uint8Array): void {
    if (this.#state === State.Closed) return;
    if (this.#state === State.Open) this.#context.presence.seen(this.#slot);
    this.#transport.cork();
    this.#decoder.push(chunk);
    for (;;) {
      const packet = this.#decoder.next();
      if (packet === null) break;
      this.#handle(packet);
      if (this.#isClosed()) break;
    }
    this.#transport.uncork();
  }

  /** Bytes that the device has not taken. */
  get outputBytes(): number {
    return this.#transport.writableLength;
  }

  /** The output is empty again (asked by `SlowConsumers`). */
  drained(): void {
    this.#isBlocked = false;
    if (this.#state === State.Open) this.#context.lifecycle.ready(this.#slot);
  }

  /** The transport is gone. */
  ended(): void {
    this.close("closed");
  }

  deliver(
    channel: DownChannel,
    payload: Uint8Array,
    acknowledged: (() => void) | null = null,
  ): DeliveryOutcome {
    if (this.#state !== State.Open) return "blocked";
    const { table } = this.#context;
    const qos = deliveryQos(table.state[this.#slot] as number, channel);
    if (qos === -1) return "unsubscribed";
    const isWindowFull = qos === 1 && this.#window !== null && this.#window.isFull;
    if (this.#isBlocked || isWindowFull) return "blocked";
    const topic = downTopic(table.device(this.#slot), channel);
    // Fixed header, topic with its length, packet id, properties' length: 12 bytes at most.
    const packetBytes = payload.length + topic.length + 12;
    if (packetBytes > this.#deliveryBytesMax) return "too-large";
    let packetId = 0;
    if (qos === 1) {
      this.#window ??= new DeliveryWindow({ receiveMaximum: this.#receiveMaximum });
      packetId = this.#window.open(acknowledged);
    }
    const message = { topic, payload, qos, packetId, retain: false, dup: false };
    this.#write(encodePublish(this.#level, message));
    return "sent";
  }

  acknowledge(ticket: number): void {
    if (this.#state !== State.Open || this.#acks === null) return;
    if (this.#acks.resolve(ticket, ReasonCode.Success)) this.#flushAcks();
  }

  close(cause: CloseCause): void {
    if (this.#state === State.Closed) return;
    const reasonCode = CLOSE_CODES[cause];
    if (reasonCode !== null) this.#sayDisconnect(reasonCode);
    this.#finish(cause);
  }

  #handle(packet: Packet | MalformedPacket): void {
    switch (packet.type) {
      case MALFORMED:
        return this.#refuseMalformed(packet);
      case PacketType.Connect:
        return this.#connect(packet);
      case PacketType.Publish:
        return this.#publish(packet);
      case PacketType.Puback:
        return this.#deliveryAcknowledged(packet.packetId);
      case PacketType.Subscribe:
        return this.#subscribe(packet);
      case PacketType.Unsubscribe:
        return this.#unsubscribe(packet);
      case PacketType.Pingreq:
        return this.#write(PINGRESP);
      case PacketType.Disconnect:
        return this.close("closed");
      default:
        // QoS 2 and extended authentication are not offered: nobody has reason to send these.
        return this.#violate(
          ReasonCode.ProtocolError,
          `${PACKET_NAMES[packet.type]} has no place in this connection`,
        );
    }
  }

  #connect(connect: Connect): void {
    const context = this.#context;
    this.#level = connect.protocolLevel;
    const decision = decideConnect(connect, peerIdentity(this.#peer), context.terms);
    context.metrics.connectAnswered(reasonCodeName(decision.connack.reasonCode));
    this.#write(encodeConnack(this.#level, decision.connack));
    if (!decision.accepted) {
      context.logger.info("connection refused", { reason: decision.fault, ...this.#who() });
      return this.#finish("refused");
    }
    const { tenant, device, keepAliveSeconds } = decision;
    this.#state = State.Open;
    this.#upPrefix = upPrefix(deviceKey(tenant, device));
    this.#receiveMaximum = connect.properties?.receiveMaximum ?? 0xffff;
    const packetBytesMax = connect.properties?.maximumPacketSizeBytes ?? Infinity;
    this.#deliveryBytesMax = Math.min(this.#deliveryBytesMax, packetBytesMax);
    // [MQTT-3.1.2-29]
    const wantsReasons = connect.properties?.requestProblemInformation !== false;
    this.#reasonBytesMax = wantsReasons ? this.#deliveryBytesMax : 0;
    const protocolLevel = this.#level;
    context.lifecycle.open(this.#slot, { tenant, device, protocolLevel, keepAliveSeconds });
  }

  #publish(publish: Publish): void {
    if (publish.qos === 2) return this.#violate(ReasonCode.QosNotSupported, "PUBLISH has QoS 2");
    if (publish.retain && this.#level === 5) {
      return this.#violate(ReasonCode.RetainNotSupported, "PUBLISH asks to be retained");
    }
    if (publish.properties?.topicAlias !== undefined) {
      return this.#violate(ReasonCode.TopicAliasInvalid, "PUBLISH has a topic alias");
    }
    const channel = publishChannel(publish.topic, this.#upPrefix);
    if (channel === null) return this.#foreignPublish(publish);
    if (publish.qos === 1) return this.#publishAcknowledged(publish, channel);
    const result = this.#context.intake.take(this.#slot, channel, publish.payload, -1);
    if (result === IntakeResult.Full) this.close("held-limit");
  }

  #publishAcknowledged(publish: Publish, channel: UpChannel): void {
    const { packetId } = publish;
    const waiting = this.#acks;
    // A 3.1.1 client may repeat within a connection what is still waiting for its answer.
    if (waiting?.has(packetId) === true) return;
    if (waiting?.isFull === true) return this.close("held-limit");
    const ticket = waiting?.nextTicket ?? 0;
    const result = this.#context.intake.take(this.#slot, channel, publish.payload, ticket);
    if (result === IntakeResult.Full) return this.close("held-limit");
    // Nearly always: nothing waits, and this need not either.
    if (waiting === null && result === IntakeResult.Taken) {
      return this.#write(encodeTaken(this.#level, packetId));
    }
    const acks = (this.#acks ??= new AckQueue());
    acks.hold(packetId);
    if (result === IntakeResult.Taken) acks.resolve(ticket, ReasonCode.Success);
    if (result === IntakeResult.Malformed) {
      acks.resolve(ticket, ReasonCode.PayloadFormatInvalid, this.#context.intake.fault);
    }
    this.#flushAcks();
  }

  /** A publish to a topic of somebody else. 3.1.1 has no way to refuse it but to close. */
  #foreignPublish(publish: Publish): void {
    this.#context.metrics.topicViolated("publish");
    this.#violationCount += 1;
    if (this.#level === 4 || this.#violationCount >= MAX_TOPIC_VIOLATIONS) {
      this.#context.logger.warn("device used a foreign topic", this.#who());
      return this.close("not-its-topic");
    }
    if (publish.qos === 0) return;
    const acks = (this.#acks ??= new AckQueue());
    if (acks.has(publish.packetId)) return;
    if (acks.isFull) return this.close("held-limit");
    acks.resolve(acks.hold(publish.packetId), ReasonCode.NotAuthorized);
    this.#flushAcks();
  }

  #subscribe(subscribe: Subscribe): void {
    if (subscribe.properties?.subscriptionIdentifiers !== undefined) {
      const fault = "SUBSCRIBE has an identifier";
      return this.#violate(ReasonCode.SubscriptionIdentifiersNotSupported, fault);
    }
    const { table } = this.#context;
    const answers = answerSubscribe({
      subscribe,
      level: this.#level,
      device: table.device(this.#slot),
      state: table.state[this.#slot] as number,
    });
    table.state[this.#slot] = answers.state;
    this.#write(encodeSuback(this.#level, answers));
    if (answers.foreignCount > 0) {
      this.#context.metrics.topicViolated("subscribe");
      this.#violationCount += answers.foreignCount;
      if (this.#violationCount >= MAX_TOPIC_VIOLATIONS) return this.close("not-its-topic");
    }
    this.#context.lifecycle.ready(this.#slot);
  }

  #unsubscribe(unsubscribe: Unsubscribe): void {
    const { table } = this.#context;
    const answers = answerUnsubscribe({
      unsubscribe,
      level: this.#level,
      device: table.device(this.#slot),
      state: table.state[this.#slot] as number,
    });
    table.state[this.#slot] = answers.state;
    this.#write(encodeUnsuback(this.#level, answers));
  }

  #deliveryAcknowledged(packetId: number): void {
    const wasFull = this.#window?.isFull === true;
    // An id that is not in flight is harmless: MQTT lets a receiver answer late (§4.3.2).
    if (this.#window?.close(packetId) === true && wasFull) {
      this.#context.lifecycle.ready(this.#slot);
    }
  }

  #flushAcks(): void {
    const acks = this.#acks;
    if (acks === null) return;
    for (let answer = acks.shift(); answer !== -1; answer = acks.shift()) {
      this.#write(encodeAnswer(this.#level, answer, acks.takeReason(), this.#reasonBytesMax));
    }
    if (acks.length === 0) this.#acks = null;
  }

  #refuseMalformed(fault: MalformedPacket): void {
    const { reasonCode, clause, message: reason } = fault;
    if (this.#state === State.Open) return this.#violate(reasonCode, reason, clause);
    const answer = malformedAnswer(this.#decoder.protocolLevel, reasonCode);
    if (answer !== null) this.#write(answer);
    this.#context.metrics.connectAnswered(reasonCodeName(reasonCode));
    this.#context.logger.info("connection refused", { reason, clause, ...this.#who() });
    this.#finish("protocol");
  }

  /** The client broke a rule: say which, where the level lets us, and close. */
  #violate(reasonCode: ReasonCode, fault: string, clause?: string): void {
    this.#context.logger.info("connection closed for a protocol fault", {
      reason: fault,
      reasonCode: reasonCodeName(reasonCode),
      ...(clause === undefined ? {} : { clause }),
      ...this.#who(),
    });
    this.#sayDisconnect(reasonCode);
    this.#finish("protocol");
  }

  /** At level 4 a server has no DISCONNECT; before CONNECT there is nobody to tell. */
  #sayDisconnect(reasonCode: ReasonCode): void {
    if (this.#state !== State.Open || this.#level !== 5) return;
    this.#transport.write(encodeDisconnect(5, { reasonCode }));
  }

  #write(bytes: Buffer): void {
    if (this.#state === State.Closed) return;
    this.#transport.write(bytes);
    const waitingBytes = this.outputBytes;
    // A client that sends but does not read would make us keep every answer.
    if (waitingBytes > MAX_OUTPUT_BYTES) return this.close("slow");
    if (this.#isBlocked || waitingBytes <= BLOCKED_OUTPUT_BYTES) return;
    this.#isBlocked = true;
    this.#context.slowConsumers.add(this);
  }

  #finish(cause: CloseCause): void {
    if (this.#state === State.Closed) return;
    this.#state = State.Closed;
    if (cause === "slow") this.#transport.destroy();
    else {
      this.#transport.setTimeout(CLOSING_TIMEOUT_MS);
      this.#transport.destroySoon();
    }
    if (this.#isBlocked) this.#context.slowConsumers.remove(this);
    this.#context.metrics.connectionClosed(cause);
    this.#context.lifecycle.end(this.#slot, cause);
  }

  #isClosed(): boolean {
    return this.#state === State.Closed;
  }

  #who(): ConnectionFacts {
    const { sources, table } = this.#context;
    const address = sources.addressOf(this.#transport);
    return connectionFacts(
      address,
      this.#peer,
      table.isOpen(this.#slot) ? table.device(this.#slot) : null,
    );
  }
}
