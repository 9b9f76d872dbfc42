// SPDX-License-Identifier: Apache-2.0
/** Decodes CONNECT (§3.1) and CONNACK (§3.2), at both levels. */
import type { PacketReader } from "./packet-reader.ts";
import { PacketType, type QoS } from "./packet-type.ts";
import type { Connack, Connect, Will } from "./packets.ts";
import { WILL_CARRIER } from "./properties.ts";
import { decodeProperties } from "./property-decoder.ts";
import { isReasonCodeOf, ReasonCode, reasonCodeOfReturnCode } from "./reason-codes.ts";

const RESERVED_FLAG = 0x01;
const CLEAN_START_FLAG = 0x02;
const WILL_FLAG = 0x04;
const WILL_QOS_SHIFT = 3;
const WILL_RETAIN_FLAG = 0x20;
const WILL_DETAIL_FLAGS = 0x38;
const PASSWORD_FLAG = 0x40;
const USERNAME_FLAG = 0x80;

/** Also sets the reader's protocol level: the rest of the connection is read by it. */
export function decodeConnect(reader: PacketReader): Connect {
  const level = decodeProtocol(reader);
  const flags = decodeConnectFlags(reader, level);
  const keepAliveSeconds = reader.uint16();
  const properties = level === 5 ? decodeProperties(reader, PacketType.Connect) : undefined;
  // The order of the payload is fixed [MQTT-3.1.3-1].
  const clientId = reader.string();
  const cleanStart = (flags & CLEAN_START_FLAG) !== 0;
  if (clientId === "" && level === 4 && !cleanStart && reader.failure === null) {
    const message = "a client without an identifier must ask for a clean session";
    reader.fail(ReasonCode.ClientIdentifierNotValid, "v3.1.1 MQTT-3.1.3-8", message);
  }
  const will = (flags & WILL_FLAG) === 0 ? undefined : decodeWill(reader, flags, level);
  const username = (flags & USERNAME_FLAG) === 0 ? undefined : reader.string();
  const password = (flags & PASSWORD_FLAG) === 0 ? undefined : reader.binary();
  return {
    type: PacketType.Connect,
    protocolLevel: level,
    clientId,
    cleanStart,
    keepAliveSeconds,
    will,
    username,
    password,
    properties,
  };
}

function decodeProtocol(reader: PacketReader): 4 | 5 {
  const { UnsupportedProtocolVersion } = ReasonCode;
  const name = reader.string();
  if (name !== "MQTT") {
    reader.fail(UnsupportedProtocolVersion, "MQTT-3.1.2-1", "the protocol name is not MQTT");
  }
  const level = reader.uint8();
  if (level === 4 || level === 5) {
    reader.protocolLevel = level;
    return level;
  }
  // Level 132 is the bridge bit that some brokers set on 4: Muster is no bridge's peer.
  const message = "the protocol level is not 4 (3.1.1) or 5 (5.0)";
  reader.fail(UnsupportedProtocolVersion, "MQTT-3.1.2-2", message);
  return 4;
}

function decodeConnectFlags(reader: PacketReader, level: 4 | 5): number {
  const { MalformedPacket } = ReasonCode;
  const flags = reader.uint8();
  if ((flags & RESERVED_FLAG) !== 0) {
    reader.fail(MalformedPacket, "MQTT-3.1.2-3", "the reserved flag of CONNECT must be 0");
  }
  if ((flags & WILL_FLAG) === 0 && (flags & WILL_DETAIL_FLAGS) !== 0) {
    // [MQTT-3.1.2-11] for the QoS, [MQTT-3.1.2-13] for retain (v3.1.1: 3.1.2-13 and -15).
    const clause = (flags & WILL_RETAIN_FLAG) === 0 ? "MQTT-3.1.2-11" : "MQTT-3.1.2-13";
    reader.fail(MalformedPacket, clause, "CONNECT describes a will and has none");
  }
  if (willQos(flags) === 3) {
    reader.fail(MalformedPacket, "MQTT-3.1.2-12", "the QoS of a will must be 0, 1 or 2");
  }
  if (level === 4 && (flags & USERNAME_FLAG) === 0 && (flags & PASSWORD_FLAG) !== 0) {
    reader.fail(MalformedPacket, "v3.1.1 MQTT-3.1.2-22", "a password needs a user name");
  }
  return flags;
}

function willQos(flags: number): number {
  return (flags >> WILL_QOS_SHIFT) & 3;
}

function decodeWill(reader: PacketReader, flags: number, level: 4 | 5): Will {
  const properties = level === 5 ? decodeProperties(reader, WILL_CARRIER) : undefined;
  const topic = reader.topicName();
  const payload = reader.binary();
  return {
    topic,
    payload,
    qos: willQos(flags) as QoS,
    retain: (flags & WILL_RETAIN_FLAG) !== 0,
    properties,
  };
}

export function decodeConnack(reader: PacketReader): Connack {
  const { MalformedPacket, ProtocolError } = ReasonCode;
  const flags = reader.uint8();
  if (flags > 1) {
    reader.fail(MalformedPacket, "MQTT-3.2.2-1", "the reserved flags of CONNACK must be 0");
  }
  const code = reader.uint8();
  const reasonCode = connackReasonCode(reader, code);
  if (reasonCode === null) {
    reader.fail(MalformedPacket, "MQTT-3.2.2-8", "CONNACK has a reason code that does not exist");
  }
  if (reasonCode !== ReasonCode.Success && flags === 1) {
    const message = "CONNACK refuses the connection and claims a session";
    reader.fail(ProtocolError, "MQTT-3.2.2-6", message);
  }
  const answersAtLevel4 = isLevel4Refusal(reader, code);
  const properties =
    reader.protocolLevel === 4 || answersAtLevel4
      ? undefined
      : decodeProperties(reader, PacketType.Connack);
  return {
    type: PacketType.Connack,
    sessionPresent: flags === 1,
    reasonCode: reasonCode ?? ReasonCode.UnspecifiedError,
    properties,
  };
}

function connackReasonCode(reader: PacketReader, code: number): ReasonCode | null {
  if (reader.protocolLevel === 4 || isLevel4Refusal(reader, code)) {
    return reasonCodeOfReturnCode(code);
  }
  return isReasonCodeOf(PacketType.Connack, code) ? code : null;
}

/**
 * A server that only knows 3.1.1 refuses level 5 in its own words (v3.1.1 §3.1.2.2): return code 1,
 * no properties. The client is to see "unsupported version" then, not a malformed packet.
 */
function isLevel4Refusal(reader: PacketReader, code: number): boolean {
  return reader.protocolLevel === 5 && code === 1 && reader.remaining() === 0;
}
