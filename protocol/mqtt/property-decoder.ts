// SPDX-License-Identifier: Apache-2.0
/**
 * Decodes the property section of MQTT 5.0 (§2.2.2). It checks that each property may be in this
 * packet, occurs once unless it may repeat, and has a value in its range.
 */
import type { PacketReader } from "./packet-reader.ts";
import { PacketType } from "./packet-type.ts";
import { PROPERTY_BY_ID, type Properties, type PropertyDefinition } from "./properties.ts";
import { ReasonCode } from "./reason-codes.ts";
import { topicNameFault } from "./topics.ts";

type Collected = Record<string, unknown>;

/**
 * The properties of a packet of type `carrier`, or of a will (`WILL_CARRIER`). Undefined when the
 * packet has none, which is the usual case and allocates nothing.
 */
export function decodeProperties(reader: PacketReader, carrier: number): Properties | undefined {
  // No properties are a length of zero [MQTT-2.2.2-1].
  const byteCount = reader.variableInteger();
  if (byteCount === 0) return undefined;
  if (byteCount > reader.remaining()) {
    const message = "the properties end after their packet does";
    reader.fail(ReasonCode.MalformedPacket, "MQTT 5.0 §2.2.2.1", message);
    return undefined;
  }
  const packetEnd = reader.end;
  reader.end = reader.position + byteCount;
  const collected: Collected = {};
  while (reader.position < reader.end) decodeProperty(reader, carrier, collected);
  if (reader.failure === null) checkTogether(reader, collected);
  reader.end = packetEnd;
  if (reader.failure !== null) reader.position = packetEnd;
  return collected;
}

function decodeProperty(reader: PacketReader, carrier: number, collected: Collected): void {
  // Identifiers are variable byte integers, all of which fit in one byte so far.
  const id = reader.variableInteger();
  if (reader.failure !== null) return;
  const definition = PROPERTY_BY_ID[id];
  if (definition === undefined || ((definition.carriers >> carrier) & 1) === 0) {
    const message = `property ${id} does not belong in this packet`;
    reader.fail(ReasonCode.MalformedPacket, "MQTT 5.0 §2.2.2.2", message);
    return;
  }
  if (definition.kind === "stringPairs") return decodeUserProperty(reader, collected);
  if (definition.kind === "variableIntegers") return decodeIdentifier(reader, carrier, collected);
  if (collected[definition.name] !== undefined) {
    reader.fail(ReasonCode.ProtocolError, "MQTT 5.0 §2.2.2.2", `${definition.name} is there twice`);
    return;
  }
  collected[definition.name] = decodeValue(reader, definition);
}

function decodeValue(
  reader: PacketReader,
  definition: PropertyDefinition,
): number | string | boolean | Uint8Array {
  switch (definition.kind) {
    case "boolean":
      return decodeBoolean(reader, definition.name);
    case "uint8":
      return reader.uint8();
    case "uint16":
      return reader.uint16();
    case "uint32":
      return reader.uint32();
    case "string":
      return reader.string();
    default:
      return reader.binary();
  }
}

function decodeBoolean(reader: PacketReader, name: string): boolean {
  const byte = reader.uint8();
  if (byte > 1) {
    reader.fail(ReasonCode.ProtocolError, "MQTT 5.0 §2.2.2.2", `${name} must be 0 or 1`);
  }
  return byte === 1;
}

function decodeUserProperty(reader: PacketReader, collected: Collected): void {
  const pairs = (collected["userProperties"] ??= []) as (readonly [string, string])[];
  if (pairs.length === reader.limits.maxUserProperties) {
    const message = "a packet has more user properties than this server accepts";
    reader.fail(ReasonCode.QuotaExceeded, "limit maxUserProperties", message);
    return;
  }
  // Both are strings under the same rules [MQTT-1.5.7-1].
  const name = reader.string();
  pairs.push([name, reader.string()]);
}

function decodeIdentifier(reader: PacketReader, carrier: number, collected: Collected): void {
  const identifiers = (collected["subscriptionIdentifiers"] ??= []) as number[];
  if (carrier === PacketType.Subscribe && identifiers.length > 0) {
    const message = "a SUBSCRIBE has two subscription identifiers";
    reader.fail(ReasonCode.ProtocolError, "MQTT 5.0 §3.8.2.1.2", message);
    return;
  }
  if (carrier === PacketType.Publish && reader.receiver === "server") {
    const message = "a client must not send a subscription identifier in PUBLISH";
    reader.fail(ReasonCode.ProtocolError, "MQTT-3.3.4-6", message);
    return;
  }
  // One for each of our own subscriptions that matched: more is a fault of the server.
  if (identifiers.length === reader.limits.maxSubscriptions) {
    const message = "a PUBLISH has more subscription identifiers than there can be subscriptions";
    reader.fail(ReasonCode.QuotaExceeded, "limit maxSubscriptions", message);
    return;
  }
  const identifier = reader.variableInteger();
  if (identifier === 0) {
    const message = "a subscription identifier must not be 0";
    reader.fail(ReasonCode.ProtocolError, "MQTT 5.0 §3.8.2.1.2", message);
  }
  identifiers.push(identifier);
}

/** Ranges, and what one property asks of another. */
function checkTogether(reader: PacketReader, collected: Properties): void {
  const { ProtocolError } = ReasonCode;
  if (collected.receiveMaximum === 0) {
    reader.fail(ProtocolError, "MQTT 5.0 §3.1.2.11.3", "the receive maximum must not be 0");
  }
  if (collected.maximumPacketSizeBytes === 0) {
    reader.fail(ProtocolError, "MQTT 5.0 §3.1.2.11.4", "the maximum packet size must not be 0");
  }
  if (collected.maximumQos !== undefined && collected.maximumQos > 1) {
    reader.fail(ProtocolError, "MQTT 5.0 §3.2.2.3.4", "the maximum QoS must be 0 or 1");
  }
  if (collected.topicAlias === 0) {
    reader.fail(ReasonCode.TopicAliasInvalid, "MQTT-3.3.2-8", "a topic alias must not be 0");
  }
  if (collected.authenticationData !== undefined && collected.authenticationMethod === undefined) {
    const message = "authentication data needs an authentication method";
    reader.fail(ProtocolError, "MQTT 5.0 §3.1.2.11.10", message);
  }
  if (collected.responseTopic !== undefined) {
    const fault = topicNameFault(collected.responseTopic, reader.limits.maxTopicLevels);
    // The rule has a number of its own where it is about a response topic.
    const clause = fault?.clause === "MQTT-3.3.2-2" ? "MQTT-3.3.2-14" : fault?.clause;
    if (fault !== null && clause !== undefined) reader.fail(ProtocolError, clause, fault.message);
  }
}
