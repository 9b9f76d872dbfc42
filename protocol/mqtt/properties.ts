// SPDX-License-Identifier: Apache-2.0
/** The properties of MQTT 5.0 (§2.2.2): their types in code, on the wire, and where each may be. */
import { PacketType } from "./packet-type.ts";

/** In the order in which they were written; names may repeat. */
export type UserProperties = readonly (readonly [name: string, value: string])[];

/** Every property of MQTT 5.0. A packet carries only those that `PROPERTY_TABLE` allows it. */
export interface Properties {
  /** True: the payload is UTF-8 text. */
  readonly payloadFormatIndicator?: boolean;
  readonly messageExpiryIntervalSeconds?: number;
  readonly contentType?: string;
  /** Where to answer; without wildcards. */
  readonly responseTopic?: string;
  readonly correlationData?: Uint8Array;
  /** One in SUBSCRIBE; in PUBLISH one for each subscription that matched. 1 to 268,435,455. */
  readonly subscriptionIdentifiers?: readonly number[];
  /** 0xffffffff: the session never expires. */
  readonly sessionExpiryIntervalSeconds?: number;
  readonly assignedClientIdentifier?: string;
  readonly serverKeepAliveSeconds?: number;
  readonly authenticationMethod?: string;
  readonly authenticationData?: Uint8Array;
  readonly requestProblemInformation?: boolean;
  readonly willDelayIntervalSeconds?: number;
  readonly requestResponseInformation?: boolean;
  readonly responseInformation?: string;
  readonly serverReference?: string;
  readonly reasonString?: string;
  /** How many PUBLISH of QoS 1 and 2 may be unacknowledged. 1 to 65,535. */
  readonly receiveMaximum?: number;
  readonly topicAliasMaximum?: number;
  /** 1 to 65,535. */
  readonly topicAlias?: number;
  readonly maximumQos?: 0 | 1;
  readonly retainAvailable?: boolean;
  readonly userProperties?: UserProperties;
  /** Bytes of a whole packet, fixed header included. At least 1. */
  readonly maximumPacketSizeBytes?: number;
  readonly wildcardSubscriptionAvailable?: boolean;
  readonly subscriptionIdentifiersAvailable?: boolean;
  readonly sharedSubscriptionAvailable?: boolean;
}

/** How a value is written. `boolean` is one byte that may only be 0 or 1. */
export type PropertyKind =
  | "boolean"
  | "uint8"
  | "uint16"
  | "uint32"
  | "variableIntegers"
  | "string"
  | "binary"
  | "stringPairs";

export interface PropertyDefinition {
  readonly id: number;
  readonly name: keyof Properties;
  readonly kind: PropertyKind;
  /** Bit n: packets of type n may carry it. Bit 0: a will may. */
  readonly carriers: number;
}

/** Stands for the will in `carriers`; 0 is no packet type. */
export const WILL_CARRIER = 0;

const { Connect, Connack, Publish, Puback, Pubrec, Pubrel, Pubcomp } = PacketType;
const { Subscribe, Suback, Unsubscribe, Unsuback, Disconnect, Auth } = PacketType;
const ACKNOWLEDGEMENTS = [Puback, Pubrec, Pubrel, Pubcomp, Suback, Unsuback] as const;

function define(
  id: number,
  name: keyof Properties,
  kind: PropertyKind,
  carriers: readonly number[],
): PropertyDefinition {
  return { id, name, kind, carriers: carriers.reduce((bits, type) => bits | (1 << type), 0) };
}

/** Table 2-4 of the specification. */
export const PROPERTY_TABLE: readonly PropertyDefinition[] = [
  define(0x01, "payloadFormatIndicator", "boolean", [Publish, WILL_CARRIER]),
  define(0x02, "messageExpiryIntervalSeconds", "uint32", [Publish, WILL_CARRIER]),
  define(0x03, "contentType", "string", [Publish, WILL_CARRIER]),
  define(0x08, "responseTopic", "string", [Publish, WILL_CARRIER]),
  define(0x09, "correlationData", "binary", [Publish, WILL_CARRIER]),
  define(0x0b, "subscriptionIdentifiers", "variableIntegers", [Publish, Subscribe]),
  define(0x11, "sessionExpiryIntervalSeconds", "uint32", [Connect, Connack, Disconnect]),
  define(0x12, "assignedClientIdentifier", "string", [Connack]),
  define(0x13, "serverKeepAliveSeconds", "uint16", [Connack]),
  define(0x15, "authenticationMethod", "string", [Connect, Connack, Auth]),
  define(0x16, "authenticationData", "binary", [Connect, Connack, Auth]),
  define(0x17, "requestProblemInformation", "boolean", [Connect]),
  define(0x18, "willDelayIntervalSeconds", "uint32", [WILL_CARRIER]),
  define(0x19, "requestResponseInformation", "boolean", [Connect]),
  define(0x1a, "responseInformation", "string", [Connack]),
  define(0x1c, "serverReference", "string", [Connack, Disconnect]),
  define(0x1f, "reasonString", "string", [Connack, Disconnect, Auth, ...ACKNOWLEDGEMENTS]),
  define(0x21, "receiveMaximum", "uint16", [Connect, Connack]),
  define(0x22, "topicAliasMaximum", "uint16", [Connect, Connack]),
  define(0x23, "topicAlias", "uint16", [Publish]),
  define(0x24, "maximumQos", "uint8", [Connack]),
  define(0x25, "retainAvailable", "boolean", [Connack]),
  define(0x26, "userProperties", "stringPairs", [
    Connect,
    WILL_CARRIER,
    Connack,
    Publish,
    Subscribe,
    Unsubscribe,
    Disconnect,
    Auth,
    ...ACKNOWLEDGEMENTS,
  ]),
  define(0x27, "maximumPacketSizeBytes", "uint32", [Connect, Connack]),
  define(0x28, "wildcardSubscriptionAvailable", "boolean", [Connack]),
  define(0x29, "subscriptionIdentifiersAvailable", "boolean", [Connack]),
  define(0x2a, "sharedSubscriptionAvailable", "boolean", [Connack]),
];

/** Row: identifier of a property. */
export const PROPERTY_BY_ID: readonly (PropertyDefinition | undefined)[] = propertiesById();

function propertiesById(): readonly (PropertyDefinition | undefined)[] {
  const table: (PropertyDefinition | undefined)[] = Array.from({ length: 0x2b }, () => undefined);
  for (const definition of PROPERTY_TABLE) table[definition.id] = definition;
  return table;
}

export const PROPERTY_BY_NAME: ReadonlyMap<string, PropertyDefinition> = new Map(
  PROPERTY_TABLE.map((definition) => [definition.name, definition]),
);
