// SPDX-License-Identifier: Apache-2.0
/**
 * One MQTT connection, without a socket: bytes in through `receive`, bytes out through the
 * transport, everything else through the shared context. No timer, no closure, no event emitter of
 * its own; deadlines are the wheel's. What it publishes, delivers and says is in the layers below,
 * which are the same object.
 *
 *     waiting (for CONNECT) → open → closed
 *
 * - waiting: entered with the connection; left by CONNECT, by the wheel after 10 s, by a fault.
 * - open: there is a session. Publishes are answered in order, deliveries go out as room allows.
 * - closed: final. Nothing is read or written; the session has been told.
 */
import { encodeConnack } from "../../../protocol/mqtt/connect-encoder.ts";
import { PacketDecoder } from "../../../protocol/mqtt/decoder.ts";
import { PINGRESP } from "../../../protocol/mqtt/encoder.ts";
import { MALFORMED, PacketType, PACKET_NAMES } from "../../../protocol/mqtt/packet-type.ts";
import type {
  ConnackFields,
  Connect,
  Disconnect,
  MalformedPacket,
  Packet,
  Subscribe,
  Unsubscribe,
} from "../../../protocol/mqtt/packets.ts";
import { ReasonCode, reasonCodeName } from "../../../protocol/mqtt/reason-codes.ts";
import { encodeSuback, encodeUnsuback } from "../../../protocol/mqtt/subscribe-encoder.ts";
import { elsewhere } from "../../admission/redirects.ts";
import type { CloseCause, DeviceLink } from "../../sessions/device-link.ts";
import type { KeptSession } from "../../sessions/kept-sessions.ts";
import type { KeptWill } from "../../sessions/kept-will.ts";
import { deviceKey } from "../../sessions/session-table.ts";
import { subscriptionsOf } from "../../sessions/subscriptions.ts";
import { decideConnect, malformedAnswer } from "./connect-decision.ts";
import { ConnectionIntake } from "./connection-intake.ts";
import { State } from "../stream-output.ts";
import type { MqttConnectionOptions } from "./connection-output.ts";
import { peerIdentity, peerSerial, UNVERIFIED } from "../connection-peer.ts";
import { answerSubscribe, answerUnsubscribe } from "./subscribe-answers.ts";

/** The device may not say anything any more. */
const BARRED_CAUSES: ReadonlySet<CloseCause> = new Set(["refused", "retired"]);
/** Nobody comes back to these sessions: the device may not, or this process ends. */
const FINAL_CAUSES: ReadonlySet<CloseCause> = new Set(["refused", "retired", "draining"]);

export class MqttConnection extends ConnectionIntake implements DeviceLink {
  readonly #decoder: PacketDecoder;
  /** Until it is due or the device says goodbye. */
  #will: KeptWill | null = null;

  constructor(options: MqttConnectionOptions) {
    super(options);
    this.#decoder = new PacketDecoder({ receiver: "server", limits: options.context.limits });
  }

  get certificateSerial(): string {
    return peerSerial(this.peer);
  }

  /** Takes a slot; false when the gateway is full (the transport is destroyed then). */
  begin(): boolean {
    this.slot = this.context.lifecycle.connect(this);
    if (this.slot !== -1) return true;
    this.state = State.Closed;
    this.transport.destroy();
    return false;
  }

  /** Bytes from the device; the chunk may be reused when this returns. */
  receive(chunk: Uint8Array): void {
    if (this.state === State.Closed) return;
    if (this.state === State.Open) this.context.presence.seen(this.slot);
    const refuser = this.context.loadLevel.isOverloaded ? this : null;
    this.transport.cork();
    this.#decoder.push(chunk);
    for (;;) {
      const packet = this.#decoder.next(refuser);
      if (packet === null) break;
      this.#handle(packet);
      if (this.#isClosed()) break;
    }
    this.transport.uncork();
  }

  #handle(packet: Packet | MalformedPacket): void {
    switch (packet.type) {
      case MALFORMED:
        return this.#refuseMalformed(packet);
      case PacketType.Connect:
        return this.#connect(packet);
      case PacketType.Publish:
        return this.publish(packet);
      case PacketType.Puback:
        return this.deliveryAcknowledged(packet.packetId);
      case PacketType.Pubrel:
        return this.release(packet.packetId);
      case PacketType.Subscribe:
        return this.#subscribe(packet);
      case PacketType.Unsubscribe:
        return this.#unsubscribe(packet);
      case PacketType.Pingreq:
        return this.write(PINGRESP);
      case PacketType.Disconnect:
        return this.#disconnect(packet);
      default:
        // Nothing is delivered at QoS 2, and no other authentication is offered: nobody has reason
        // to send these.
        return this.violate(
          ReasonCode.ProtocolError,
          `${PACKET_NAMES[packet.type]} has no place in this connection`,
        );
    }
  }

  #connect(connect: Connect): void {
    const context = this.context;
    this.level = connect.protocolLevel;
    const decision = decideConnect(connect, peerIdentity(this.peer), context.terms);
    if (!decision.accepted) {
      this.#answer(decision.connack);
      context.logger.info("connection refused", { reason: decision.fault, ...this.who() });
      return this.finish("refused");
    }
    const { tenant, device, keepAliveSeconds } = decision;
    const service = this.peer === UNVERIFIED ? "insecure-mqtt" : "mqtts";
    const serverReference = elsewhere(context, deviceKey(tenant, device), service);
    if (serverReference !== null) {
      const properties = { serverReference };
      const reasonCode = ReasonCode.UseAnotherServer;
      this.#answer({ sessionPresent: false, reasonCode, properties });
      return this.finish("redirected");
    }
    const session = this.#takeUp(deviceKey(tenant, device), connect.cleanStart);
    const sessionPresent = session !== null;
    this.#answer({ ...decision.connack, sessionPresent });
    this.expirySeconds = decision.expirySeconds;
    this.#will = decision.will;
    this.state = State.Open;
    this.heedLimits(connect.properties);
    const wantsReasons = connect.properties?.requestProblemInformation !== false;
    this.beginIntake(deviceKey(tenant, device), wantsReasons);
    const protocolLevel = this.level;
    context.lifecycle.open(this.slot, { tenant, device, protocolLevel, keepAliveSeconds });
    if (session !== null) this.#resume(session);
  }

  #answer(connack: ConnackFields): void {
    this.context.metrics.connectAnswered(reasonCodeName(connack.reasonCode));
    this.write(encodeConnack(this.level, connack));
  }

  /** What the device left behind; the connection that it may still have ends before. */
  #takeUp(device: string, cleanStart: boolean): KeptSession | null {
    const { table, kept } = this.context;
    const older = table.slotOfDevice(device);
    if (older !== -1) table.link(older).close("taken-over");
    if (!cleanStart) return kept.resume(device);
    kept.discard(device);
    return null;
  }

  #resume(session: KeptSession): void {
    const { table, lifecycle } = this.context;
    table.state[this.slot] = (table.state[this.slot] as number) | session.subscriptions;
    this.resumeIntake(session);
    this.resumeDeliveries(session);
    if (session.subscriptions !== 0) lifecycle.ready(this.slot);
  }

  /** A session that was not to be kept cannot be by a later wish (§3.14.2.2.2 of MQTT 5.0). */
  #disconnect({ reasonCode, properties }: Disconnect): void {
    const wantedSeconds = properties?.sessionExpiryIntervalSeconds;
    if (wantedSeconds !== undefined) {
      if (wantedSeconds > 0 && this.expirySeconds === 0) {
        const fault = "DISCONNECT wants a session to be kept that was not to be";
        return this.violate(ReasonCode.ProtocolError, fault);
      }
      const { sessionExpiryMaxSeconds } = this.context.terms;
      this.expirySeconds = Math.min(wantedSeconds, sessionExpiryMaxSeconds);
    }
    // A normal end has no will; with 0x04, or an error, the device wants it [MQTT-3.14.4-3].
    if (reasonCode === ReasonCode.Success) this.#will = null;
    this.close("closed");
  }

  protected override ending(cause: CloseCause): void {
    const { table, kept, intake } = this.context;
    if (!table.isOpen(this.slot)) return;
    const isFinal = FINAL_CAUSES.has(cause);
    const mayDelay = this.expirySeconds > 0 && !isFinal;
    const will = BARRED_CAUSES.has(cause) ? null : this.#will;
    this.#will = null;
    const isDelayed = will !== null && will.delaySeconds > 0;
    if (will !== null && (!isDelayed || (!mayDelay && cause !== "draining"))) {
      intake.take(this.slot, will.channel, will.payload, -1);
    }
    if (!mayDelay) return;
    const session = {
      will: isDelayed ? will : null,
      ordinal: table.ordinal[this.slot] as number,
      subscriptions: subscriptionsOf(table.state[this.slot] as number),
      unreleased: this.unreleased,
      deliveries: this.unacknowledged,
      lastPacketId: this.lastPacketId,
    };
    kept.keep(table.device(this.slot), session, this.expirySeconds);
  }

  #subscribe(subscribe: Subscribe): void {
    if (subscribe.properties?.subscriptionIdentifiers !== undefined) {
      const fault = "SUBSCRIBE has an identifier";
      return this.violate(ReasonCode.SubscriptionIdentifiersNotSupported, fault);
    }
    const { table } = this.context;
    const answers = answerSubscribe({
      subscribe,
      level: this.level,
      device: table.device(this.slot),
      state: table.state[this.slot] as number,
    });
    table.state[this.slot] = answers.state;
    this.write(encodeSuback(this.level, answers));
    if (answers.foreignCount > 0) {
      this.context.metrics.topicViolated("subscribe");
      if (this.countViolations(answers.foreignCount)) return;
    }
    this.context.lifecycle.ready(this.slot);
  }

  #unsubscribe(unsubscribe: Unsubscribe): void {
    const { table } = this.context;
    const answers = answerUnsubscribe({
      unsubscribe,
      level: this.level,
      device: table.device(this.slot),
      state: table.state[this.slot] as number,
    });
    table.state[this.slot] = answers.state;
    this.write(encodeUnsuback(this.level, answers));
  }

  #refuseMalformed(fault: MalformedPacket): void {
    const { reasonCode, clause, message: reason } = fault;
    if (this.state === State.Open) return this.violate(reasonCode, reason, clause);
    const answer = malformedAnswer(this.#decoder.protocolLevel, reasonCode);
    if (answer !== null) this.write(answer);
    this.context.metrics.connectAnswered(reasonCodeName(reasonCode));
    this.logFault("connection refused", { reason, clause });
    this.finish("protocol");
  }

  #isClosed(): boolean {
    return this.state === State.Closed;
  }
}
