// SPDX-License-Identifier: Apache-2.0
/** Packets with their bytes, written by hand from the specifications: the anchor of the tests. */
import { PacketType, type ProtocolLevel } from "../packet-type.ts";
import type { Packet, Subscription } from "../packets.ts";
import { ReasonCode } from "../reason-codes.ts";

export interface SamplePacket {
  readonly name: string;
  readonly level: ProtocolLevel;
  readonly receiver: "server" | "client";
  readonly hex: string;
  readonly packet: Packet;
}

const none = undefined;
const subscriptionLevel4: Subscription = {
  filter: "a/#",
  qos: 1,
  noLocal: false,
  retainAsPublished: false,
  retainHandling: 0,
};
const publish = {
  type: PacketType.Publish,
  topic: "a/b",
  payload: Buffer.from("hi"),
  qos: 0,
  retain: false,
  dup: false,
  packetId: 0,
  properties: none,
} as const;
const connect = {
  type: PacketType.Connect,
  protocolLevel: 4,
  clientId: "a",
  cleanStart: true,
  keepAliveSeconds: 60,
  will: none,
  username: none,
  password: none,
  properties: none,
} as const;
const will = {
  topic: "w",
  payload: Buffer.from("x"),
  qos: 1,
  retain: true,
  properties: none,
} as const;

function sample(
  name: string,
  at: { level: ProtocolLevel; receiver: "server" | "client" },
  hex: string,
  packet: Packet,
): SamplePacket {
  return { name, ...at, hex: hex.replaceAll(" ", ""), packet };
}
const server4 = { level: 4, receiver: "server" } as const;
const client4 = { level: 4, receiver: "client" } as const;
const server5 = { level: 5, receiver: "server" } as const;
const client5 = { level: 5, receiver: "client" } as const;
const success = ReasonCode.Success;

export const SAMPLES_LEVEL_4: readonly SamplePacket[] = [
  sample("CONNECT", server4, "100d 00044d51545404 02 003c 000161", connect),
  sample(
    "CONNECT with everything",
    server4,
    "1019 00044d51545404 ec 0000 000161 000177 000178 000175 000170",
    {
      ...connect,
      cleanStart: false,
      keepAliveSeconds: 0,
      will,
      username: "u",
      password: Buffer.from("p"),
    },
  ),
  sample("CONNACK accepting", client4, "2002 01 00", {
    type: PacketType.Connack,
    sessionPresent: true,
    reasonCode: success,
    properties: none,
  }),
  sample("CONNACK refusing", client4, "2002 00 05", {
    type: PacketType.Connack,
    sessionPresent: false,
    reasonCode: ReasonCode.NotAuthorized,
    properties: none,
  }),
  sample("PUBLISH", server4, "3007 0003612f62 6869", publish),
  sample("PUBLISH of QoS 1, repeated, retained", client4, "3b09 0003612f62 000a 6869", {
    ...publish,
    qos: 1,
    packetId: 10,
    retain: true,
    dup: true,
  }),
  ...([PacketType.Puback, PacketType.Pubrec, PacketType.Pubrel, PacketType.Pubcomp] as const).map(
    (type, index) =>
      sample(`acknowledgement ${type}`, server4, `${["40", "50", "62", "70"][index]}02 000a`, {
        type,
        packetId: 10,
        reasonCode: success,
        properties: none,
      }),
  ),
  sample("SUBSCRIBE", server4, "8208 0001 0003612f23 01", {
    type: PacketType.Subscribe,
    packetId: 1,
    subscriptions: [subscriptionLevel4],
    properties: none,
  }),
  sample("SUBACK", client4, "9004 0001 01 80", {
    type: PacketType.Suback,
    packetId: 1,
    reasonCodes: [ReasonCode.GrantedQos1, ReasonCode.UnspecifiedError],
    properties: none,
  }),
  sample("UNSUBSCRIBE", server4, "a207 0001 0003612f23", {
    type: PacketType.Unsubscribe,
    packetId: 1,
    filters: ["a/#"],
    properties: none,
  }),
  sample("UNSUBACK", client4, "b002 0001", {
    type: PacketType.Unsuback,
    packetId: 1,
    reasonCodes: [],
    properties: none,
  }),
  sample("PINGREQ", server4, "c000", { type: PacketType.Pingreq }),
  sample("PINGRESP", client4, "d000", { type: PacketType.Pingresp }),
  sample("DISCONNECT", server4, "e000", {
    type: PacketType.Disconnect,
    reasonCode: success,
    properties: none,
  }),
];

const CONNECTING_LEVEL_5: readonly SamplePacket[] = [
  sample(
    "CONNECT with properties",
    server5,
    "1016 00044d51545405 02 003c 08 110000000a 210020 000161",
    {
      ...connect,
      protocolLevel: 5,
      properties: { sessionExpiryIntervalSeconds: 10, receiveMaximum: 32 },
    },
  ),
  sample(
    "CONNECT with a delayed will",
    server5,
    "101a 00044d51545405 06 003c 00 000161 05 1800000005 000177 000178",
    {
      ...connect,
      protocolLevel: 5,
      will: { ...will, qos: 0, retain: false, properties: { willDelayIntervalSeconds: 5 } },
    },
  ),
  sample("CONNACK accepting", client5, "2008 00 00 05 13001e 2401", {
    type: PacketType.Connack,
    sessionPresent: false,
    reasonCode: success,
    properties: { serverKeepAliveSeconds: 30, maximumQos: 1 },
  }),
  sample("CONNACK naming another server", client5, "2009 00 9c 06 1c0003623a31", {
    type: PacketType.Connack,
    sessionPresent: false,
    reasonCode: ReasonCode.UseAnotherServer,
    properties: { serverReference: "b:1" },
  }),
  sample("AUTH that says nothing", server5, "f000", {
    type: PacketType.Auth,
    reasonCode: success,
    properties: none,
  }),
  sample("AUTH", server5, "f00a 18 08 1500016d 16000101", {
    type: PacketType.Auth,
    reasonCode: ReasonCode.ContinueAuthentication,
    properties: { authenticationMethod: "m", authenticationData: Buffer.of(1) },
  }),
  sample("DISCONNECT", server5, "e000", {
    type: PacketType.Disconnect,
    reasonCode: success,
    properties: none,
  }),
  sample("DISCONNECT with a code", server5, "e001 04", {
    type: PacketType.Disconnect,
    reasonCode: ReasonCode.DisconnectWithWill,
    properties: none,
  }),
  sample("DISCONNECT with a reason", client5, "e007 8e 05 1f00026e6f", {
    type: PacketType.Disconnect,
    reasonCode: ReasonCode.SessionTakenOver,
    properties: { reasonString: "no" },
  }),
];

const MESSAGES_LEVEL_5: readonly SamplePacket[] = [
  sample("PUBLISH", server5, "3008 0003612f62 00 6869", publish),
  sample("PUBLISH by alias", server5, "320a 0000 000a 03 230002 6869", {
    ...publish,
    topic: "",
    qos: 1,
    packetId: 10,
    properties: { topicAlias: 2 },
  }),
  sample("PUBLISH with properties", server5, "3011 0003612f62 09 0101 26000178000179 6869", {
    ...publish,
    properties: { payloadFormatIndicator: true, userProperties: [["x", "y"]] },
  }),
  sample("PUBLISH for two subscriptions", client5, "300d 0003612f62 05 0b01 0bac02 6869", {
    ...publish,
    properties: { subscriptionIdentifiers: [1, 300] },
  }),
  sample("PUBACK with a code", server5, "4003 000a 10", {
    type: PacketType.Puback,
    packetId: 10,
    reasonCode: ReasonCode.NoMatchingSubscribers,
    properties: none,
  }),
  sample("PUBACK with a reason", client5, "4009 000a 87 05 1f00026e6f", {
    type: PacketType.Puback,
    packetId: 10,
    reasonCode: ReasonCode.NotAuthorized,
    properties: { reasonString: "no" },
  }),
  sample("PUBREL with a code", server5, "6203 000a 92", {
    type: PacketType.Pubrel,
    packetId: 10,
    reasonCode: ReasonCode.PacketIdentifierNotFound,
    properties: none,
  }),
  sample("SUBSCRIBE", server5, "8212 0001 02 0b07 000a2473686172652f672f61 29", {
    type: PacketType.Subscribe,
    packetId: 1,
    subscriptions: [
      {
        filter: "$share/g/a",
        qos: 1,
        noLocal: false,
        retainAsPublished: true,
        retainHandling: 2,
      },
    ],
    properties: { subscriptionIdentifiers: [7] },
  }),
  sample("SUBACK", client5, "9005 0001 00 00 87", {
    type: PacketType.Suback,
    packetId: 1,
    reasonCodes: [success, ReasonCode.NotAuthorized],
    properties: none,
  }),
  sample("UNSUBSCRIBE", server5, "a208 0001 00 0003612f23", {
    type: PacketType.Unsubscribe,
    packetId: 1,
    filters: ["a/#"],
    properties: none,
  }),
  sample("UNSUBACK", client5, "b005 0001 00 00 11", {
    type: PacketType.Unsuback,
    packetId: 1,
    reasonCodes: [success, ReasonCode.NoSubscriptionExisted],
    properties: none,
  }),
];

export const SAMPLES: readonly SamplePacket[] = [
  ...SAMPLES_LEVEL_4,
  ...CONNECTING_LEVEL_5,
  ...MESSAGES_LEVEL_5,
];
