// SPDX-License-Identifier: Apache-2.0
/** Encodes SUBSCRIBE, SUBACK, UNSUBSCRIBE and UNSUBACK (§3.8 to §3.11), at both levels. */
import assert from "node:assert/strict";
import { PacketType, type ProtocolLevel } from "./packet-type.ts";
import { PacketWriter, stringBytes } from "./packet-writer.ts";
import type { SubackFields, SubscribeFields, Subscription, UnsubscribeFields } from "./packets.ts";
import { propertiesBytes, writeProperties } from "./property-encoder.ts";
import { subackCode } from "./reason-codes.ts";

/** SUBSCRIBE and UNSUBSCRIBE have these flags [MQTT-3.8.1-1], [MQTT-3.10.1-1]. */
const FLAGS = 0x02;

export function encodeSubscribe(level: ProtocolLevel, fields: SubscribeFields): Buffer {
  const { packetId, subscriptions, properties } = fields;
  assert(subscriptions.length > 0, "SUBSCRIBE needs a topic filter");
  let remainingBytes = 2 + propertiesBytes(level, properties);
  for (const { filter } of subscriptions) remainingBytes += stringBytes(filter) + 1;
  const writer = new PacketWriter((PacketType.Subscribe << 4) | FLAGS, remainingBytes);
  writer.packetId(packetId);
  writeProperties(writer, level, properties, PacketType.Subscribe);
  for (const subscription of subscriptions) {
    writer.string(subscription.filter);
    writer.uint8(subscriptionOptions(level, subscription));
  }
  return writer.finish();
}

function subscriptionOptions(level: ProtocolLevel, subscription: Subscription): number {
  const { qos, noLocal, retainAsPublished, retainHandling } = subscription;
  if (level === 4) return qos;
  return qos | (noLocal ? 0x04 : 0) | (retainAsPublished ? 0x08 : 0) | (retainHandling << 4);
}

export function encodeUnsubscribe(level: ProtocolLevel, fields: UnsubscribeFields): Buffer {
  const { packetId, filters, properties } = fields;
  assert(filters.length > 0, "UNSUBSCRIBE needs a topic filter");
  let remainingBytes = 2 + propertiesBytes(level, properties);
  for (const filter of filters) remainingBytes += stringBytes(filter);
  const writer = new PacketWriter((PacketType.Unsubscribe << 4) | FLAGS, remainingBytes);
  writer.packetId(packetId);
  writeProperties(writer, level, properties, PacketType.Unsubscribe);
  for (const filter of filters) writer.string(filter);
  return writer.finish();
}

/** At level 4 every failure is 0x80. */
export function encodeSuback(level: ProtocolLevel, fields: SubackFields): Buffer {
  assert(fields.reasonCodes.length > 0, "SUBACK needs a reason code");
  return encodeAnswer(level, PacketType.Suback, fields);
}

/** At level 4 it has no reason codes: those given are left out. */
export function encodeUnsuback(level: ProtocolLevel, fields: SubackFields): Buffer {
  if (level === 4) return encodeAnswer(4, PacketType.Unsuback, { ...fields, reasonCodes: [] });
  assert(fields.reasonCodes.length > 0, "UNSUBACK needs a reason code");
  return encodeAnswer(5, PacketType.Unsuback, fields);
}

function encodeAnswer(
  level: ProtocolLevel,
  type: typeof PacketType.Suback | typeof PacketType.Unsuback,
  fields: SubackFields,
): Buffer {
  const { packetId, reasonCodes, properties } = fields;
  const writer = new PacketWriter(
    type << 4,
    2 + propertiesBytes(level, properties) + reasonCodes.length,
  );
  writer.packetId(packetId);
  writeProperties(writer, level, properties, type);
  for (const reasonCode of reasonCodes) writer.uint8(subackCode(level, reasonCode));
  return writer.finish();
}
