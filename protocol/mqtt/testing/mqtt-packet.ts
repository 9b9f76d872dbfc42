// SPDX-License-Identifier: Apache-2.0
/** Our packets in the shapes of the library `mqtt-packet`, the peer of the differential tests. */
import mqttPacket from "mqtt-packet";
import { PacketType, type ProtocolLevel } from "../packet-type.ts";
import type { Packet, Will } from "../packets.ts";
import type { Properties, UserProperties } from "../properties.ts";

/** A packet of the peer: what its types say is less than what it takes and makes. */
export type PeerPacket = Readonly<Record<string, unknown>>;

/** Where the peer has another name for a property. */
const PEER_NAMES: Readonly<Partial<Record<keyof Properties, string>>> = {
  messageExpiryIntervalSeconds: "messageExpiryInterval",
  subscriptionIdentifiers: "subscriptionIdentifier",
  sessionExpiryIntervalSeconds: "sessionExpiryInterval",
  serverKeepAliveSeconds: "serverKeepAlive",
  willDelayIntervalSeconds: "willDelayInterval",
  maximumQos: "maximumQoS",
  maximumPacketSizeBytes: "maximumPacketSize",
};

/** What the peer makes of the bytes: its packets, and whether it objected. */
export interface PeerResult {
  readonly packets: readonly PeerPacket[];
  readonly objected: boolean;
}

export function peerParse(level: ProtocolLevel, bytes: Buffer): PeerResult {
  const packets: PeerPacket[] = [];
  let objected = false;
  const parser = mqttPacket.parser({ protocolVersion: level });
  parser.on("packet", (packet) => packets.push(packet as unknown as PeerPacket));
  parser.on("error", () => {
    objected = true;
  });
  try {
    parser.parse(bytes);
  } catch {
    // It reads beyond the end of some short packets.
    objected = true;
  }
  return { packets, objected };
}

export function peerGenerate(level: ProtocolLevel, packet: PeerPacket): Buffer {
  const options = { protocolVersion: level };
  return mqttPacket.generate(packet as unknown as mqttPacket.Packet, options);
}

/** What the peer parses has fields that say how it was parsed, and empty ones. */
export function withoutParserFields(packet: PeerPacket): PeerPacket {
  const ignored = new Set(["length", "topic", "payload", "qos", "dup", "retain", "messageId"]);
  const isPublish = packet["cmd"] === "publish";
  const entries = Object.entries(packet).filter(([name, value]) => {
    if (name === "length" || value === undefined) return false;
    if (isPublish) return name !== "messageId" || packet["qos"] !== 0;
    return name === "messageId" ? value !== null : !ignored.has(name);
  });
  return Object.fromEntries(entries);
}

export function toPeer(level: ProtocolLevel, packet: Packet): PeerPacket {
  const properties = "properties" in packet ? toPeerProperties(packet.properties) : {};
  switch (packet.type) {
    case PacketType.Connect:
      return {
        cmd: "connect",
        protocolId: "MQTT",
        protocolVersion: packet.protocolLevel,
        clean: packet.cleanStart,
        keepalive: packet.keepAliveSeconds,
        clientId: packet.clientId,
        ...(packet.will === undefined ? {} : { will: toPeerWill(packet.will) }),
        ...(packet.username === undefined ? {} : { username: packet.username }),
        ...(packet.password === undefined ? {} : { password: packet.password }),
        ...properties,
      };
    case PacketType.Connack: {
      const { sessionPresent, reasonCode } = packet;
      const returnCode = [0x00, 0x84, 0x85, 0x88, 0x86, 0x87].indexOf(reasonCode);
      const code = level === 5 ? { reasonCode } : { returnCode };
      return { cmd: "connack", sessionPresent, ...code, ...properties };
    }
    case PacketType.Publish: {
      const { topic, payload, qos, retain, dup, packetId } = packet;
      const id = qos === 0 ? {} : { messageId: packetId };
      return { cmd: "publish", topic, payload, qos, retain, dup, ...id, ...properties };
    }
    default:
      return toPeerRest(level, packet, properties);
  }
}

type Rest = Exclude<Packet, { type: 1 | 2 | 3 }>;

function toPeerRest(level: ProtocolLevel, packet: Rest, properties: PeerPacket): PeerPacket {
  switch (packet.type) {
    case PacketType.Puback:
    case PacketType.Pubrec:
    case PacketType.Pubrel:
    case PacketType.Pubcomp: {
      const cmd = ["puback", "pubrec", "pubrel", "pubcomp"][packet.type - PacketType.Puback];
      const code = level === 5 ? { reasonCode: packet.reasonCode } : {};
      return { cmd, messageId: packet.packetId, ...code, ...properties };
    }
    case PacketType.Subscribe: {
      const subscriptions = packet.subscriptions.map((subscription) => {
        const { filter, qos, noLocal, retainAsPublished, retainHandling } = subscription;
        const options = { nl: noLocal, rap: retainAsPublished, rh: retainHandling };
        return { topic: filter, qos, ...(level === 5 ? options : {}) };
      });
      return { cmd: "subscribe", messageId: packet.packetId, subscriptions, ...properties };
    }
    case PacketType.Unsubscribe: {
      const { packetId: messageId, filters: unsubscriptions } = packet;
      return { cmd: "unsubscribe", messageId, unsubscriptions, ...properties };
    }
    case PacketType.Suback:
    case PacketType.Unsuback: {
      const cmd = packet.type === PacketType.Suback ? "suback" : "unsuback";
      const hasCodes = level === 5 || packet.type === PacketType.Suback;
      const granted = hasCodes ? { granted: packet.reasonCodes } : {};
      return { cmd, messageId: packet.packetId, ...granted, ...properties };
    }
    case PacketType.Pingreq:
      return { cmd: "pingreq" };
    case PacketType.Pingresp:
      return { cmd: "pingresp" };
    case PacketType.Disconnect: {
      const code = level === 5 ? { reasonCode: packet.reasonCode } : {};
      return { cmd: "disconnect", ...code, ...properties };
    }
    case PacketType.Auth:
      return { cmd: "auth", reasonCode: packet.reasonCode, ...properties };
  }
}

function toPeerWill(will: Will): PeerPacket {
  const { topic, payload, qos, retain, properties } = will;
  return { topic, payload, qos, retain, ...toPeerProperties(properties) };
}

function toPeerProperties(properties: Properties | undefined): PeerPacket {
  if (properties === undefined) return {};
  const entries = Object.entries(properties).map(([name, value]: [string, unknown]) => {
    const peerName = PEER_NAMES[name as keyof Properties] ?? name;
    if (name === "userProperties") return [peerName, toPeerUserProperties(value as UserProperties)];
    const isSingle = Array.isArray(value) && value.length === 1;
    return [peerName, isSingle ? (value as unknown[])[0] : value];
  });
  return { properties: Object.fromEntries(entries) as PeerPacket };
}

/** One key a name, in an object without prototype; several values become an array. */
function toPeerUserProperties(pairs: UserProperties): PeerPacket {
  const grouped = Object.create(null) as Record<string, string | string[]>;
  for (const [name, value] of pairs) {
    const before = grouped[name];
    if (before === undefined) grouped[name] = value;
    else if (Array.isArray(before)) before.push(value);
    else grouped[name] = [before, value];
  }
  return grouped;
}
