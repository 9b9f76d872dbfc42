// SPDX-License-Identifier: Apache-2.0
/** The numbers that MQTT gives to its packets (§2.1.2) and to the versions that Muster speaks. */

export const PacketType = {
  Connect: 1,
  Connack: 2,
  Publish: 3,
  Puback: 4,
  Pubrec: 5,
  Pubrel: 6,
  Pubcomp: 7,
  Subscribe: 8,
  Suback: 9,
  Unsubscribe: 10,
  Unsuback: 11,
  Pingreq: 12,
  Pingresp: 13,
  Disconnect: 14,
  Auth: 15,
} as const;
export type PacketType = (typeof PacketType)[keyof typeof PacketType];

/**
 * 0 is a packet type that MQTT forbids. `MalformedPacket` has it, so that one switch over `type`
 * tells packets and failures apart.
 */
export const MALFORMED = 0;

/** 4 is MQTT 3.1.1, 5 is MQTT 5.0. Level 3 (MQTT 3.1, "MQIsdp") is refused. */
export type ProtocolLevel = 4 | 5;

/** Quality of service: at most once, at least once, exactly once. */
export type QoS = 0 | 1 | 2;

/** Row: packet type. The name as the specification writes it, for messages to people. */
export const PACKET_NAMES: readonly string[] = [
  "reserved",
  "CONNECT",
  "CONNACK",
  "PUBLISH",
  "PUBACK",
  "PUBREC",
  "PUBREL",
  "PUBCOMP",
  "SUBSCRIBE",
  "SUBACK",
  "UNSUBSCRIBE",
  "UNSUBACK",
  "PINGREQ",
  "PINGRESP",
  "DISCONNECT",
  "AUTH",
];
