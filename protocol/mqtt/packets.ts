// SPDX-License-Identifier: Apache-2.0
/**
 * The packets of MQTT 3.1.1 and 5.0 as values. The decoder makes them, the encoder writes them.
 *
 * - `properties` exist in MQTT 5.0 only; at level 4 the decoder leaves them undefined and the
 *   encoder ignores them, so that a caller need not ask for the level.
 * - Reason codes are those of MQTT 5.0 at both levels (`reason-codes.ts` translates).
 * - A packet that was decoded always has all its keys, in one order: one hidden class each.
 * - Binary fields of a decoded packet are views of the received bytes, see `PacketDecoder`.
 */
import type { PacketType, ProtocolLevel, QoS, MALFORMED } from "./packet-type.ts";
import type { Properties } from "./properties.ts";
import type { ReasonCode } from "./reason-codes.ts";

/** What the server publishes for a client that vanishes. */
export interface Will {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly properties?: Properties | undefined;
}

export interface ConnectFields {
  readonly protocolLevel: ProtocolLevel;
  /** May be empty: at level 5 the server then assigns one, at level 4 only with `cleanStart`. */
  readonly clientId: string;
  /** Called "clean session" in MQTT 3.1.1. */
  readonly cleanStart: boolean;
  /** 0 (none) to 65,535. */
  readonly keepAliveSeconds: number;
  readonly will?: Will | undefined;
  readonly username?: string | undefined;
  /** Without a username only at level 5. */
  readonly password?: Uint8Array | undefined;
  readonly properties?: Properties | undefined;
}
export interface Connect extends ConnectFields {
  readonly type: typeof PacketType.Connect;
}

export interface ConnackFields {
  readonly sessionPresent: boolean;
  readonly reasonCode: ReasonCode;
  readonly properties?: Properties | undefined;
}
export interface Connack extends ConnackFields {
  readonly type: typeof PacketType.Connack;
}

export interface PublishFields {
  /** Without wildcards; empty only at level 5 together with `properties.topicAlias`. */
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: QoS;
  readonly retain: boolean;
  /** This is a repeat of a PUBLISH that was not acknowledged. */
  readonly dup: boolean;
  /** 1 to 65,535; 0 when `qos` is 0, for then there is none on the wire. */
  readonly packetId: number;
  readonly properties?: Properties | undefined;
}
export interface Publish extends PublishFields {
  readonly type: typeof PacketType.Publish;
  /** Not a copy. */
  readonly payload: Buffer;
}

/** PUBACK ends QoS 1; PUBREC, PUBREL and PUBCOMP are the three further steps of QoS 2. */
export interface AcknowledgementOf<Type extends PacketType> {
  readonly type: Type;
  readonly packetId: number;
  /** Always `Success` at level 4, which cannot refuse a publish. */
  readonly reasonCode: ReasonCode;
  readonly properties?: Properties | undefined;
}
export type Puback = AcknowledgementOf<typeof PacketType.Puback>;
export type Pubrec = AcknowledgementOf<typeof PacketType.Pubrec>;
export type Pubrel = AcknowledgementOf<typeof PacketType.Pubrel>;
export type Pubcomp = AcknowledgementOf<typeof PacketType.Pubcomp>;
export type Acknowledgement = Puback | Pubrec | Pubrel | Pubcomp;

/** When the server sends retained messages: on every subscribe, on a new one only, never. */
export type RetainHandling = 0 | 1 | 2;

export interface Subscription {
  readonly filter: string;
  /** The highest QoS in which the client wants messages. */
  readonly qos: QoS;
  /** Level 5 only, false at level 4: do not send back what this client publishes. */
  readonly noLocal: boolean;
  /** Level 5 only, false at level 4: forward the RETAIN flag as it was published. */
  readonly retainAsPublished: boolean;
  /** Level 5 only, 0 at level 4. */
  readonly retainHandling: RetainHandling;
}

export interface SubscribeFields {
  readonly packetId: number;
  /** At least one. */
  readonly subscriptions: readonly Subscription[];
  readonly properties?: Properties | undefined;
}
export interface Subscribe extends SubscribeFields {
  readonly type: typeof PacketType.Subscribe;
}

export interface UnsubscribeFields {
  readonly packetId: number;
  /** At least one. */
  readonly filters: readonly string[];
  readonly properties?: Properties | undefined;
}
export interface Unsubscribe extends UnsubscribeFields {
  readonly type: typeof PacketType.Unsubscribe;
}

export interface SubackFields {
  readonly packetId: number;
  /** One for each filter of the request, in its order. Empty in an UNSUBACK of level 4. */
  readonly reasonCodes: readonly ReasonCode[];
  readonly properties?: Properties | undefined;
}
export interface Suback extends SubackFields {
  readonly type: typeof PacketType.Suback;
}
export interface Unsuback extends SubackFields {
  readonly type: typeof PacketType.Unsuback;
}

export interface Pingreq {
  readonly type: typeof PacketType.Pingreq;
}
export interface Pingresp {
  readonly type: typeof PacketType.Pingresp;
}

/** At level 4 only clients send it, and it says nothing. */
export interface DisconnectFields {
  readonly reasonCode: ReasonCode;
  readonly properties?: Properties | undefined;
}
export interface Disconnect extends DisconnectFields {
  readonly type: typeof PacketType.Disconnect;
}

/** Level 5 only. */
export interface Auth extends DisconnectFields {
  readonly type: typeof PacketType.Auth;
}

export type Packet =
  | Connect
  | Connack
  | Publish
  | Acknowledgement
  | Subscribe
  | Suback
  | Unsubscribe
  | Unsuback
  | Pingreq
  | Pingresp
  | Disconnect
  | Auth;

/**
 * Why received bytes are not a packet that Muster accepts. The receiver answers with `reasonCode`
 * where the protocol lets it (CONNACK, or DISCONNECT at level 5) and closes the connection.
 */
export interface MalformedPacket {
  readonly type: typeof MALFORMED;
  readonly reasonCode: ReasonCode;
  /** One sentence for a log; it quotes nothing that was received. */
  readonly message: string;
  /**
   * The rule: `MQTT-3.1.2-3` is a statement of MQTT 5.0, `v3.1.1 MQTT-3.1.2-22` one of MQTT 3.1.1,
   * `MQTT 5.0 §2.2.2.2` a section without numbered statement, `limit maxTopicLevels` a limit of
   * `DecoderLimits`.
   */
  readonly clause: string;
}
