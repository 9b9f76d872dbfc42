// SPDX-License-Identifier: Apache-2.0
/**
 * Our codec against the library `mqtt-packet`: both must read what the other writes, and must agree
 * on damaged packets but for the differences listed here, each of which is deliberate.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { encodePacket } from "./encoder.ts";
import { MALFORMED, PacketType } from "./packet-type.ts";
import type { Packet } from "./packets.ts";
import type { Properties } from "./properties.ts";
import { decodeAll, decoderBefore, type DecoderFor } from "./testing/decoding.ts";
import { peerGenerate, peerParse, toPeer, withoutParserFields } from "./testing/mqtt-packet.ts";
import { mutateBody, seededDraw } from "./testing/mutations.ts";
import { packetArbitrary } from "./testing/packet-arbitraries.ts";
import { SAMPLES } from "./testing/sample-packets.ts";

const COMBINATIONS = [
  { level: 4, receiver: "server" },
  { level: 4, receiver: "client" },
  { level: 5, receiver: "server" },
  { level: 5, receiver: "client" },
] as const;

/**
 * Rules that the peer does not check, and a receiver has to. (It reads strings with U+FFFD in place
 * of bad UTF-8, reads fields beyond the end of the packet, and leaves grammar to its caller.)
 */
const STRICTER: ReadonlySet<string> = new Set([
  "MQTT 5.0 §2.1.4", // bytes after the last field
  "MQTT 5.0 §4.13.1", // a field that ends after its packet
  "MQTT-1.5.4-1", // UTF-8
  "MQTT-1.5.4-2", // U+0000
  "MQTT-1.5.5-1", // an integer with useless bytes
  "MQTT-2.2.1-3", // identifier 0
  "MQTT-3.1.2-2", // level 3, and the bridge bit
  "MQTT-3.1.2-1", // MQIsdp
  "MQTT-3.1.2-12", // a will of QoS 3
  "v3.1.1 MQTT-3.1.2-22", // a password without user name
  "v3.1.1 MQTT-3.1.3-8", // neither identifier nor clean session
  "MQTT-3.2.2-6", // a refusal with a session
  "MQTT-3.2.2-8", // codes of CONNACK
  "MQTT-3.3.1-2", // a repeat of QoS 0
  "MQTT-3.3.2-2", // wildcards in a topic name
  "MQTT-3.3.2-14", // wildcards in a response topic
  "MQTT 5.0 §3.3.2.1", // neither topic nor alias
  "MQTT-3.3.2-8", // alias 0
  "MQTT-3.3.4-6", // a client's subscription identifier in PUBLISH
  "MQTT-3.4.2-1", // a code that is missing where its packet has properties
  "MQTT-3.8.3-2", // SUBSCRIBE of nothing
  "MQTT-3.8.3-4", // no local on a shared subscription
  "MQTT-3.9.3-2", // SUBACK of nothing
  "MQTT-3.10.3-2", // UNSUBSCRIBE of nothing
  "MQTT-3.11.3-2", // UNSUBACK of nothing
  "MQTT-3.14.2-2", // a server's session expiry in DISCONNECT
  "MQTT-4.7.1-1", // misplaced #
  "MQTT-4.7.1-2", // misplaced +
  "MQTT-4.7.3-1", // an empty name or filter
  "MQTT-4.8.2-1", // a shared subscription without group
  "MQTT-4.8.2-2", // a group with wildcards
  "MQTT 5.0 §2.2.2.1", // properties beyond the packet
  "MQTT 5.0 §2.2.2.2", // a property twice, in a wrong packet, or a boolean of 2
  "MQTT 5.0 §3.1.2.11.3", // receive maximum 0
  "MQTT 5.0 §3.1.2.11.4", // maximum packet size 0
  "MQTT 5.0 §3.1.2.11.10", // authentication data without method
  "MQTT 5.0 §3.2.2.3.4", // maximum QoS 2
  "MQTT 5.0 §3.8.2.1.2", // subscription identifier 0, or two of them
  "MQTT 5.0 §3.15.2.2.2", // AUTH without method
  "limit maxTopicLevels",
]);

/** What the peer refuses and we do not: an AUTH that says nothing, which §3.15.2.1 allows. */
function isLaxer(packet: Packet): boolean {
  return packet.type === PacketType.Auth && packet.properties === undefined;
}

const MUTATION_COUNT = 40_000;

describe("against mqtt-packet", () => {
  for (const { level, receiver } of COMBINATIONS) {
    const packets = packetArbitrary(level, receiver).filter(hasUniqueNames);

    test(`level ${level}: it reads what our ${other(receiver)} writes`, () => {
      fc.assert(
        fc.property(packets, (packet) => {
          const result = peerParse(level, encodePacket(level, packet));
          assert.equal(result.objected, false);
          assert.deepEqual(result.packets.map(withoutParserFields), [toPeer(level, packet)]);
        }),
        { numRuns: 400 },
      );
    });

    test(`level ${level}: our ${receiver} reads what it writes`, () => {
      fc.assert(
        fc.property(packets.filter(peerCanWrite), (packet) => {
          const bytes = peerGenerate(level, toPeer(level, packet));
          const decoded = decodeAll(decoderBefore(bytes[0]!, { level, receiver }), [bytes]);
          assert.deepEqual(decoded.map(comparable), [comparable(packet)]);
        }),
        { numRuns: 400 },
      );
    });
  }

  test(`both judge ${MUTATION_COUNT} damaged packets alike, but for the listed differences`, () => {
    const draw = seededDraw(20_260_101);
    const seen = { both: 0, neither: 0, stricter: 0, laxer: 0 };
    for (let count = 0; count < MUTATION_COUNT; count++) {
      const { hex, level, receiver } = SAMPLES[draw(SAMPLES.length)]!;
      const bytes = mutateBody(Buffer.from(hex, "hex"), draw);
      seen[compare(bytes, { level, receiver })]++;
    }
    // The mutations are damaging and gentle enough to say something.
    for (const [verdict, count] of Object.entries(seen)) assert.ok(count > 100, verdict);
  });
});

function compare(bytes: Buffer, options: DecoderFor): "both" | "neither" | "stricter" | "laxer" {
  const { level } = options;
  const where = `level ${level} ${options.receiver} ${bytes.toString("hex")}`;
  const [ours, ...more] = decodeAll(decoderBefore(bytes[0]!, options), [bytes]);
  assert.deepEqual(more, [], where);
  const peer = peerParse(level, bytes);
  const peerAccepts = peer.packets.length === 1 && !peer.objected;
  if (ours === undefined || ours.type === MALFORMED) {
    if (!peerAccepts) return "neither";
    assert.ok(ours !== undefined && STRICTER.has(ours.clause), `${where}: ${ours?.clause}`);
    return "stricter";
  }
  if (!peerAccepts) {
    assert.ok(isLaxer(ours), where);
    return "laxer";
  }
  const levelRead = ours.type === PacketType.Connect ? ours.protocolLevel : level;
  assert.deepEqual(peer.packets.map(withoutParserFields), [toPeer(levelRead, ours)], where);
  return "both";
}

function other(receiver: "server" | "client"): string {
  return receiver === "server" ? "client" : "server";
}

/** It groups user properties by name, and loses an empty value whose name comes again. */
function hasUniqueNames(packet: Packet): boolean {
  const sets = [propertiesOf(packet), willPropertiesOf(packet)];
  return sets.every((properties) => {
    const names = properties?.userProperties?.map(([name]) => name) ?? [];
    return new Set(names).size === names.length;
  });
}

/** At level 5 it keeps the rules of level 4 for an empty identifier and a lone password. */
function peerCanWrite(packet: Packet): boolean {
  if (packet.type !== PacketType.Connect) return true;
  const { clientId, cleanStart, username, password } = packet;
  return (clientId !== "" || cleanStart) && (username !== undefined || password === undefined);
}

function propertiesOf(packet: Packet): Properties | undefined {
  return "properties" in packet ? packet.properties : undefined;
}

function willPropertiesOf(packet: Packet): Properties | undefined {
  return packet.type === PacketType.Connect ? packet.will?.properties : undefined;
}

/** Its object of user properties has an order of its own (numbers first). */
function comparable(packet: object): unknown {
  return JSON.parse(
    JSON.stringify(packet, (name, value: unknown) =>
      name === "userProperties" && Array.isArray(value)
        ? (value as [string, string][]).toSorted(([a], [b]) => (a < b ? -1 : 1))
        : value,
    ),
  );
}
