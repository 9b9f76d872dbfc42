// SPDX-License-Identifier: Apache-2.0
/** Decodes PUBLISH (§3.3) and its acknowledgements (§3.4 to §3.7), at both levels: the hot path. */
import type { PacketReader } from "./packet-reader.ts";
import { PACKET_NAMES, PacketType, type QoS } from "./packet-type.ts";
import type { Acknowledgement, Publish } from "./packets.ts";
import { decodeProperties } from "./property-decoder.ts";
import { isReasonCodeOf, ReasonCode } from "./reason-codes.ts";

const RETAIN_FLAG = 0x01;
const DUP_FLAG = 0x08;

export function decodePublish(reader: PacketReader, flags: number): Publish {
  const qos = (flags >> 1) & 3;
  const dup = (flags & DUP_FLAG) !== 0;
  if (qos === 3) {
    reader.fail(ReasonCode.MalformedPacket, "MQTT-3.3.1-4", "the QoS of PUBLISH must be 0, 1 or 2");
  }
  if (dup && qos === 0) {
    reader.fail(ReasonCode.MalformedPacket, "MQTT-3.3.1-2", "a PUBLISH of QoS 0 is never a repeat");
  }
  const isLevel5 = reader.protocolLevel === 5;
  // Only at level 5 may the topic be empty: an alias then stands for it.
  const mayBeAlias =
    isLevel5 &&
    reader.remaining() >= 2 &&
    reader.buffer[reader.position] === 0 &&
    reader.buffer[reader.position + 1] === 0;
  const topic = mayBeAlias ? reader.string() : reader.topicName();
  const packetId = qos === 0 ? 0 : reader.packetId();
  const properties = isLevel5 ? decodeProperties(reader, PacketType.Publish) : undefined;
  if (mayBeAlias && properties?.topicAlias === undefined) {
    const message = "a PUBLISH has neither topic nor topic alias";
    reader.fail(ReasonCode.ProtocolError, "MQTT 5.0 §3.3.2.1", message);
  }
  return {
    type: PacketType.Publish,
    topic,
    payload: reader.rest(),
    qos: qos as QoS,
    retain: (flags & RETAIN_FLAG) !== 0,
    dup,
    packetId,
    properties,
  };
}

/** Row: type of the acknowledgement. The statement that lists its reason codes. */
const REASON_CODE_CLAUSES: Readonly<Record<Acknowledgement["type"], string>> = {
  [PacketType.Puback]: "MQTT-3.4.2-1",
  [PacketType.Pubrec]: "MQTT-3.5.2-1",
  [PacketType.Pubrel]: "MQTT-3.6.2-1",
  [PacketType.Pubcomp]: "MQTT-3.7.2-1",
};

export function decodeAcknowledgement(
  reader: PacketReader,
  type: Acknowledgement["type"],
): Acknowledgement {
  const packetId = reader.packetId();
  // At level 4, and at level 5 where it is all well, there is nothing else (§3.4.2.1).
  if (reader.protocolLevel === 4 || reader.remaining() === 0) {
    return { type, packetId, reasonCode: ReasonCode.Success, properties: undefined };
  }
  const reasonCode = reader.uint8();
  if (!isReasonCodeOf(type, reasonCode)) {
    const message = `${PACKET_NAMES[type]} has a reason code that is not one of its own`;
    reader.fail(ReasonCode.MalformedPacket, REASON_CODE_CLAUSES[type], message);
    return { type, packetId, reasonCode: ReasonCode.UnspecifiedError, properties: undefined };
  }
  // The length of the properties may be left out as well (§3.4.2.2.1).
  const properties = reader.remaining() === 0 ? undefined : decodeProperties(reader, type);
  return { type, packetId, reasonCode, properties };
}
