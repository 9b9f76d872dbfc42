// SPDX-License-Identifier: Apache-2.0
/** Encodes CONNECT (§3.1) and CONNACK (§3.2), at both levels. */
import assert from "node:assert/strict";
import { PacketType, type ProtocolLevel } from "./packet-type.ts";
import { binaryBytes, PacketWriter, stringBytes } from "./packet-writer.ts";
import type { ConnackFields, ConnectFields, Will } from "./packets.ts";
import { WILL_CARRIER } from "./properties.ts";
import { propertiesBytes, writeProperties } from "./property-encoder.ts";
import { returnCodeOfReasonCode } from "./reason-codes.ts";

const PROTOCOL_NAME = "MQTT";
/** Name with its length, level, flags, keep alive. */
const FIXED_BYTES = 10;

export function encodeConnect(fields: ConnectFields): Buffer {
  const { protocolLevel: level, clientId, will, username, password, properties } = fields;
  assert(level === 5 || username !== undefined || password === undefined, "who has this password?");
  assert(
    level === 5 || clientId !== "" || fields.cleanStart,
    "a client without an identifier must ask for a clean session",
  );
  const writer = new PacketWriter(
    PacketType.Connect << 4,
    FIXED_BYTES +
      propertiesBytes(level, properties) +
      stringBytes(clientId) +
      (will === undefined ? 0 : willBytes(level, will)) +
      (username === undefined ? 0 : stringBytes(username)) +
      (password === undefined ? 0 : binaryBytes(password)),
  );
  writer.string(PROTOCOL_NAME);
  writer.uint8(level);
  writer.uint8(connectFlags(fields));
  writer.uint16(fields.keepAliveSeconds);
  writeProperties(writer, level, properties, PacketType.Connect);
  writer.string(clientId);
  if (will !== undefined) writeWill(writer, level, will);
  if (username !== undefined) writer.string(username);
  if (password !== undefined) writer.binary(password);
  return writer.finish();
}

function connectFlags(fields: ConnectFields): number {
  const { will } = fields;
  let flags = fields.cleanStart ? 0x02 : 0;
  if (will !== undefined) flags |= 0x04 | (will.qos << 3) | (will.retain ? 0x20 : 0);
  if (fields.password !== undefined) flags |= 0x40;
  if (fields.username !== undefined) flags |= 0x80;
  return flags;
}

function willBytes(level: ProtocolLevel, will: Will): number {
  return (
    propertiesBytes(level, will.properties) + stringBytes(will.topic) + binaryBytes(will.payload)
  );
}

function writeWill(writer: PacketWriter, level: ProtocolLevel, will: Will): void {
  writeProperties(writer, level, will.properties, WILL_CARRIER);
  writer.string(will.topic);
  writer.binary(will.payload);
}

/** At level 4 the reason code becomes one of six return codes. */
export function encodeConnack(level: ProtocolLevel, fields: ConnackFields): Buffer {
  const { sessionPresent, reasonCode, properties } = fields;
  // [MQTT-3.2.2-6]
  assert(reasonCode === 0 || !sessionPresent, "a refused connection has no session");
  const writer = new PacketWriter(PacketType.Connack << 4, 2 + propertiesBytes(level, properties));
  writer.uint8(sessionPresent ? 1 : 0);
  writer.uint8(level === 4 ? returnCodeOfReasonCode(reasonCode) : reasonCode);
  writeProperties(writer, level, properties, PacketType.Connack);
  return writer.finish();
}
