// SPDX-License-Identifier: Apache-2.0
/**
 * Encodes every packet of MQTT 3.1.1 (`level` 4) and 5.0 (`level` 5), in both directions. Each
 * function returns one buffer with one whole packet. What level 4 cannot say is left out:
 * properties always, reason codes wherever it has none.
 *
 * Callers give values that the wire can hold; anything else is an assertion (see `PacketWriter`).
 */
import assert from "node:assert/strict";
import { encodeConnack, encodeConnect } from "./connect-encoder.ts";
import { PacketType, type ProtocolLevel } from "./packet-type.ts";
import { PacketWriter, stringBytes } from "./packet-writer.ts";
import type { Acknowledgement, DisconnectFields, Packet, PublishFields } from "./packets.ts";
import { hasProperties, propertiesBytes, writeProperties } from "./property-encoder.ts";
import { ReasonCode } from "./reason-codes.ts";
import {
  encodeSuback,
  encodeSubscribe,
  encodeUnsuback,
  encodeUnsubscribe,
} from "./subscribe-encoder.ts";

/** Shared by all connections: never write into them. */
export const PINGREQ: Buffer = Buffer.of(PacketType.Pingreq << 4, 0);
export const PINGRESP: Buffer = Buffer.of(PacketType.Pingresp << 4, 0);
const EMPTY_DISCONNECT: Buffer = Buffer.of(PacketType.Disconnect << 4, 0);

/** A PUBACK that says success has four bytes at both levels. */
export const PUBACK_BYTES = 4;
const PUBACK_FIRST_BYTE = PacketType.Puback << 4;
const PUBREL_FLAGS = 0x02;

export function encodePublish(level: ProtocolLevel, fields: PublishFields): Buffer {
  const { topic, payload, qos, packetId, properties } = fields;
  const mayBeEmpty = level === 5 && properties?.topicAlias !== undefined;
  assert(topic !== "" || mayBeEmpty, "a topic name must not be empty");
  assert(!topic.includes("+") && !topic.includes("#"), "a topic name must not have wildcards");
  const dupFlag = fields.dup && qos > 0 ? 8 : 0;
  const flags = dupFlag | (qos << 1) | (fields.retain ? 1 : 0);
  const headBytes = stringBytes(topic) + (qos === 0 ? 0 : 2);
  const writer = new PacketWriter(
    (PacketType.Publish << 4) | flags,
    headBytes + propertiesBytes(level, properties) + payload.length,
  );
  writer.string(topic);
  if (qos > 0) writer.packetId(packetId);
  writeProperties(writer, level, properties, PacketType.Publish);
  writer.raw(payload);
  return writer.finish();
}

/** Acknowledges a PUBLISH of QoS 1. At level 4 there is no other answer than success. */
export function encodePuback(
  level: ProtocolLevel,
  packetId: number,
  reasonCode: ReasonCode = ReasonCode.Success,
): Buffer {
  assert(packetId > 0 && packetId <= 0xffff, "a packet identifier is out of range");
  if (level === 5 && reasonCode !== ReasonCode.Success) {
    return Buffer.of(PUBACK_FIRST_BYTE, 3, packetId >> 8, packetId & 0xff, reasonCode);
  }
  const buffer = Buffer.allocUnsafe(PUBACK_BYTES);
  writePuback(buffer, 0, packetId);
  return buffer;
}

/**
 * Writes a PUBACK that says success (good at both levels) into `target` and returns the offset
 * after it, so that the acknowledgements of one turn of the event loop share one buffer and one
 * write.
 */
export function writePuback(target: Uint8Array, offset: number, packetId: number): number {
  target[offset] = PUBACK_FIRST_BYTE;
  target[offset + 1] = 2;
  target[offset + 2] = packetId >> 8;
  target[offset + 3] = packetId & 0xff;
  return offset + PUBACK_BYTES;
}

/** PUBACK, PUBREC, PUBREL, PUBCOMP. */
export function encodeAcknowledgement(level: ProtocolLevel, packet: Acknowledgement): Buffer {
  const { type, packetId, reasonCode, properties } = packet;
  const firstByte = (type << 4) | (type === PacketType.Pubrel ? PUBREL_FLAGS : 0);
  const withProperties = level === 5 && hasProperties(properties);
  const withReasonCode = level === 5 && (withProperties || reasonCode !== ReasonCode.Success);
  const writer = new PacketWriter(
    firstByte,
    2 + (withReasonCode ? 1 : 0) + (withProperties ? propertiesBytes(level, properties) : 0),
  );
  writer.packetId(packetId);
  if (withReasonCode) writer.uint8(reasonCode);
  if (withProperties) writeProperties(writer, level, properties, type);
  return writer.finish();
}

/** At level 4 only a client sends it. */
export function encodeDisconnect(level: ProtocolLevel, fields: DisconnectFields): Buffer {
  return level === 4 ? EMPTY_DISCONNECT : encodeReason(PacketType.Disconnect, fields);
}

/** Level 5 only. */
export function encodeAuth(fields: DisconnectFields): Buffer {
  return encodeReason(PacketType.Auth, fields);
}

/** Reason code and properties, as much of them as says something. */
function encodeReason(
  type: typeof PacketType.Disconnect | typeof PacketType.Auth,
  fields: DisconnectFields,
): Buffer {
  const { reasonCode, properties } = fields;
  const withProperties = hasProperties(properties);
  // AUTH must not leave out the properties where it has a code (§3.15.2.1).
  const propertyBytes =
    withProperties || type === PacketType.Auth ? propertiesBytes(5, properties) : 0;
  if (!withProperties && reasonCode === ReasonCode.Success)
    return new PacketWriter(type << 4, 0).finish();
  const writer = new PacketWriter(type << 4, 1 + propertyBytes);
  writer.uint8(reasonCode);
  if (propertyBytes > 0) writeProperties(writer, 5, properties, type);
  return writer.finish();
}

/** Any packet. A CONNECT has its level itself. */
export function encodePacket(level: ProtocolLevel, packet: Packet): Buffer {
  switch (packet.type) {
    case PacketType.Connect:
      return encodeConnect(packet);
    case PacketType.Connack:
      return encodeConnack(level, packet);
    case PacketType.Publish:
      return encodePublish(level, packet);
    case PacketType.Puback:
    case PacketType.Pubrec:
    case PacketType.Pubrel:
    case PacketType.Pubcomp:
      return encodeAcknowledgement(level, packet);
    case PacketType.Subscribe:
      return encodeSubscribe(level, packet);
    case PacketType.Suback:
      return encodeSuback(level, packet);
    case PacketType.Unsubscribe:
      return encodeUnsubscribe(level, packet);
    case PacketType.Unsuback:
      return encodeUnsuback(level, packet);
    case PacketType.Pingreq:
      return PINGREQ;
    case PacketType.Pingresp:
      return PINGRESP;
    case PacketType.Disconnect:
      return encodeDisconnect(level, packet);
    case PacketType.Auth:
      assert(level === 5, "AUTH does not exist at level 4");
      return encodeAuth(packet);
  }
}
