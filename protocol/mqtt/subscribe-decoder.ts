// SPDX-License-Identifier: Apache-2.0
/** Decodes SUBSCRIBE, SUBACK, UNSUBSCRIBE and UNSUBACK (§3.8 to §3.11), at both levels. */
import type { PacketReader } from "./packet-reader.ts";
import { PACKET_NAMES, PacketType, type QoS } from "./packet-type.ts";
import type {
  RetainHandling,
  Suback,
  Subscribe,
  Subscription,
  Unsuback,
  Unsubscribe,
} from "./packets.ts";
import type { Properties } from "./properties.ts";
import { decodeProperties } from "./property-decoder.ts";
import { isReasonCodeOf, ReasonCode } from "./reason-codes.ts";
import { isSharedFilter, topicFilterFault } from "./topics.ts";

const NO_LOCAL_FLAG = 0x04;
const RETAIN_AS_PUBLISHED_FLAG = 0x08;
const RESERVED_OPTIONS_LEVEL_4 = 0xfc;
const RESERVED_OPTIONS_LEVEL_5 = 0xc0;

export function decodeSubscribe(reader: PacketReader): Subscribe {
  const packetId = reader.packetId();
  const properties = levelProperties(reader, PacketType.Subscribe);
  const subscriptions: Subscription[] = [];
  if (reader.remaining() === 0) {
    reader.fail(ReasonCode.ProtocolError, "MQTT-3.8.3-2", "SUBSCRIBE has no topic filter");
  }
  while (reader.remaining() > 0) {
    if (!hasRoom(reader, subscriptions.length)) break;
    subscriptions.push(decodeSubscription(reader));
  }
  return { type: PacketType.Subscribe, packetId, subscriptions, properties };
}

function decodeSubscription(reader: PacketReader): Subscription {
  const { MalformedPacket, ProtocolError } = ReasonCode;
  const filter = decodeFilter(reader);
  const options = reader.uint8();
  const isLevel5 = reader.protocolLevel === 5;
  const reserved = isLevel5 ? RESERVED_OPTIONS_LEVEL_5 : RESERVED_OPTIONS_LEVEL_4;
  if ((options & reserved) !== 0) {
    const message = "the reserved bits of subscription options must be 0";
    reader.fail(MalformedPacket, "MQTT-3.8.3-5", message);
  }
  const qos = options & 3;
  if (qos === 3) {
    reader.fail(ProtocolError, "MQTT 5.0 §3.8.3.1", "the QoS of a subscription must be 0, 1 or 2");
  }
  const noLocal = (options & NO_LOCAL_FLAG) !== 0;
  if (noLocal && isSharedFilter(filter)) {
    const message = "a shared subscription must not have the option no local";
    reader.fail(ProtocolError, "MQTT-3.8.3-4", message);
  }
  const retainHandling = (options >> 4) & 3;
  if (retainHandling === 3) {
    reader.fail(ProtocolError, "MQTT 5.0 §3.8.3.1", "the retain handling must be 0, 1 or 2");
  }
  return {
    filter,
    qos: qos as QoS,
    noLocal,
    retainAsPublished: (options & RETAIN_AS_PUBLISHED_FLAG) !== 0,
    retainHandling: retainHandling as RetainHandling,
  };
}

export function decodeUnsubscribe(reader: PacketReader): Unsubscribe {
  const packetId = reader.packetId();
  const properties = levelProperties(reader, PacketType.Unsubscribe);
  const filters: string[] = [];
  if (reader.remaining() === 0) {
    reader.fail(ReasonCode.ProtocolError, "MQTT-3.10.3-2", "UNSUBSCRIBE has no topic filter");
  }
  while (reader.remaining() > 0) {
    if (!hasRoom(reader, filters.length)) break;
    filters.push(decodeFilter(reader));
  }
  return { type: PacketType.Unsubscribe, packetId, filters, properties };
}

export function decodeSuback(reader: PacketReader): Suback {
  const packetId = reader.packetId();
  const properties = levelProperties(reader, PacketType.Suback);
  const reasonCodes = decodeReasonCodes(reader, PacketType.Suback, "MQTT-3.9.3-2");
  return { type: PacketType.Suback, packetId, reasonCodes, properties };
}

export function decodeUnsuback(reader: PacketReader): Unsuback {
  const packetId = reader.packetId();
  const properties = levelProperties(reader, PacketType.Unsuback);
  // At level 4 it has no payload (v3.1.1 §3.11.3).
  const reasonCodes =
    reader.protocolLevel === 4
      ? []
      : decodeReasonCodes(reader, PacketType.Unsuback, "MQTT-3.11.3-2");
  return { type: PacketType.Unsuback, packetId, reasonCodes, properties };
}

function levelProperties(reader: PacketReader, type: PacketType): Properties | undefined {
  return reader.protocolLevel === 5 ? decodeProperties(reader, type) : undefined;
}

function decodeFilter(reader: PacketReader): string {
  const filter = reader.string();
  if (reader.failure !== null) return "";
  const fault = topicFilterFault(
    filter,
    reader.limits.maxTopicLevels,
    // MQTT 3.1.1 has no shared subscriptions: $share is an ordinary level there.
    reader.protocolLevel === 5,
  );
  reader.reportTopicFault(fault, ReasonCode.TopicFilterInvalid);
  return filter;
}

function hasRoom(reader: PacketReader, count: number): boolean {
  if (count < reader.limits.maxSubscriptions) return true;
  const message = "a packet has more topic filters than this server accepts";
  reader.fail(ReasonCode.QuotaExceeded, "limit maxSubscriptions", message);
  return false;
}

/** One byte for each filter that was asked about, so at least one. */
function decodeReasonCodes(
  reader: PacketReader,
  type: PacketType,
  clause: string,
): readonly ReasonCode[] {
  const reasonCodes: ReasonCode[] = [];
  if (reader.remaining() === 0) {
    const message = `${PACKET_NAMES[type]} has no reason code`;
    reader.fail(ReasonCode.ProtocolError, clause, message);
  }
  while (reader.remaining() > 0) {
    if (!hasRoom(reader, reasonCodes.length)) break;
    const code = reader.uint8();
    // MQTT 3.1.1 knows four of them: 0, 1, 2 and 0x80 (v3.1.1 MQTT-3.9.3-2).
    const isKnown = isReasonCodeOf(type, code) && (reader.protocolLevel === 5 || code <= 0x80);
    if (isKnown) reasonCodes.push(code);
    else {
      const message = `${PACKET_NAMES[type]} has a reason code that is not one of its own`;
      reader.fail(ReasonCode.MalformedPacket, clause, message);
    }
  }
  return reasonCodes;
}
