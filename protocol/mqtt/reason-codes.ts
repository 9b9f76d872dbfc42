// SPDX-License-Identifier: Apache-2.0
/**
 * The reason codes of MQTT 5.0 (§2.4) and which packet may carry which. MQTT 3.1.1 has five return
 * codes of its own in CONNACK; they are translated here, so that the rest of Muster knows one set.
 */
import { PacketType, type ProtocolLevel } from "./packet-type.ts";

/** Codes below 0x80 say that it worked, codes from 0x80 that it did not. */
export const ReasonCode = {
  /** Also "normal disconnection" in DISCONNECT and "granted QoS 0" in SUBACK. */
  Success: 0x00,
  GrantedQos1: 0x01,
  GrantedQos2: 0x02,
  DisconnectWithWill: 0x04,
  NoMatchingSubscribers: 0x10,
  NoSubscriptionExisted: 0x11,
  ContinueAuthentication: 0x18,
  Reauthenticate: 0x19,
  UnspecifiedError: 0x80,
  MalformedPacket: 0x81,
  ProtocolError: 0x82,
  ImplementationSpecificError: 0x83,
  UnsupportedProtocolVersion: 0x84,
  ClientIdentifierNotValid: 0x85,
  BadUserNameOrPassword: 0x86,
  NotAuthorized: 0x87,
  ServerUnavailable: 0x88,
  ServerBusy: 0x89,
  Banned: 0x8a,
  ServerShuttingDown: 0x8b,
  BadAuthenticationMethod: 0x8c,
  KeepAliveTimeout: 0x8d,
  SessionTakenOver: 0x8e,
  TopicFilterInvalid: 0x8f,
  TopicNameInvalid: 0x90,
  PacketIdentifierInUse: 0x91,
  PacketIdentifierNotFound: 0x92,
  ReceiveMaximumExceeded: 0x93,
  TopicAliasInvalid: 0x94,
  PacketTooLarge: 0x95,
  MessageRateTooHigh: 0x96,
  QuotaExceeded: 0x97,
  AdministrativeAction: 0x98,
  PayloadFormatInvalid: 0x99,
  RetainNotSupported: 0x9a,
  QosNotSupported: 0x9b,
  UseAnotherServer: 0x9c,
  ServerMoved: 0x9d,
  SharedSubscriptionsNotSupported: 0x9e,
  ConnectionRateExceeded: 0x9f,
  MaximumConnectTime: 0xa0,
  SubscriptionIdentifiersNotSupported: 0xa1,
  WildcardSubscriptionsNotSupported: 0xa2,
} as const;
export type ReasonCode = (typeof ReasonCode)[keyof typeof ReasonCode];

/** The codes of Table 2-6, by packet. PUBREC shares with PUBACK, PUBCOMP with PUBREL. */
const CODES_BY_PACKET: readonly (readonly [readonly PacketType[], readonly number[]])[] = [
  [
    [PacketType.Connack],
    [
      0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95,
      0x97, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9f,
    ],
  ],
  [
    [PacketType.Puback, PacketType.Pubrec],
    [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
  ],
  [
    [PacketType.Pubrel, PacketType.Pubcomp],
    [0x00, 0x92],
  ],
  [[PacketType.Suback], [0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2]],
  [[PacketType.Unsuback], [0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91]],
  [
    [PacketType.Disconnect],
    [
      0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94,
      0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
    ],
  ],
  [[PacketType.Auth], [0x00, 0x18, 0x19]],
];

/** Row: code. Bit n: a packet of type n may carry it. */
const PACKETS_BY_CODE: Uint16Array = packetsByCode();

function packetsByCode(): Uint16Array {
  const table = new Uint16Array(256);
  for (const [types, codes] of CODES_BY_PACKET) {
    for (const type of types) {
      for (const code of codes) table[code] = (table[code] as number) | (1 << type);
    }
  }
  return table;
}

/** True when MQTT 5.0 lets a packet of `type` carry `code`; any number may be asked about. */
export function isReasonCodeOf(type: PacketType, code: number): code is ReasonCode {
  return (((PACKETS_BY_CODE[code] ?? 0) >> type) & 1) === 1;
}

/** The name of a code for people: `NotAuthorized`, or `0xee` for one that does not exist. */
export function reasonCodeName(code: number): string {
  for (const [name, value] of Object.entries(ReasonCode)) if (value === code) return name;
  return `0x${code.toString(16).padStart(2, "0")}`;
}

/** Row: CONNACK return code of MQTT 3.1.1 (§3.2.2.3). */
const CONNECT_RETURN_CODES: readonly ReasonCode[] = [
  ReasonCode.Success,
  ReasonCode.UnsupportedProtocolVersion,
  ReasonCode.ClientIdentifierNotValid,
  ReasonCode.ServerUnavailable,
  ReasonCode.BadUserNameOrPassword,
  ReasonCode.NotAuthorized,
];

/** A return code of MQTT 3.1.1 as a reason code; null for 6–255, which are reserved. */
export function reasonCodeOfReturnCode(returnCode: number): ReasonCode | null {
  return CONNECT_RETURN_CODES[returnCode] ?? null;
}

/**
 * A reason code as the return code of MQTT 3.1.1. What 3.1.1 cannot say becomes 3, "server
 * unavailable": the only one of the five that tells a client to come again later.
 */
export function returnCodeOfReasonCode(reasonCode: ReasonCode): number {
  const returnCode = CONNECT_RETURN_CODES.indexOf(reasonCode);
  if (returnCode >= 0) return returnCode;
  // A banned client, or one with a method that we do not know, would only come again.
  const refusedForGood =
    reasonCode === ReasonCode.Banned || reasonCode === ReasonCode.BadAuthenticationMethod;
  return refusedForGood ? 5 : 3;
}

/** The code that SUBACK carries at `level`: MQTT 3.1.1 knows one failure, 0x80 (§3.9.3). */
export function subackCode(level: ProtocolLevel, reasonCode: ReasonCode): ReasonCode {
  return level === 4 && reasonCode >= 0x80 ? ReasonCode.UnspecifiedError : reasonCode;
}
