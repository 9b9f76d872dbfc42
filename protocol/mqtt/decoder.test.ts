// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DEFAULT_DECODER_LIMITS } from "./decoder-limits.ts";
import { encodePublish } from "./encoder.ts";
import { MALFORMED, PACKET_NAMES, PacketType } from "./packet-type.ts";
import type { MalformedPacket, Publish } from "./packets.ts";
import { ReasonCode } from "./reason-codes.ts";
import { decodeAll, decoderBefore, freshDecoder, openDecoder } from "./testing/decoding.ts";

const { MalformedPacket: Malformed, ProtocolError } = ReasonCode;
const server5 = { level: 5, receiver: "server" } as const;
const publishFields = {
  topic: "a/b",
  payload: Buffer.from("hi"),
  qos: 0,
  retain: false,
  dup: false,
  packetId: 0,
} as const;

/** Columns: level and receiver, what is wrong, bytes, reason code, clause. */
type Case = readonly ["s4" | "s5" | "c4" | "c5", string, string, ReasonCode, string];

const FIXED_HEADER_CASES: readonly Case[] = [
  ["s5", "type 0", "0000", Malformed, "MQTT 5.0 §2.1.2"],
  ["s4", "AUTH at level 4", "f000", Malformed, "MQTT 5.0 §2.1.2"],
  ["s4", "flags in PUBACK", "4202000a", Malformed, "MQTT-2.1.3-1"],
  ["s4", "no flag in PUBREL", "6002000a", Malformed, "MQTT-2.1.3-1"],
  ["s4", "no flag in SUBSCRIBE", "800800010003612f2301", Malformed, "MQTT-2.1.3-1"],
  ["s4", "no flag in UNSUBSCRIBE", "a00700010003612f23", Malformed, "MQTT-2.1.3-1"],
  ["s5", "flags in AUTH", "f100", Malformed, "MQTT-2.1.3-1"],
  ["s5", "five bytes of length", "30ffffffff01", Malformed, "MQTT 5.0 §2.1.4"],
  ["s5", "a padded length", "c08000", Malformed, "MQTT-1.5.5-1"],
  ["s4", "PINGREQ with a body", "c00100", Malformed, "MQTT 5.0 §2.1.4"],
  ["s4", "DISCONNECT with a code at level 4", "e00100", Malformed, "MQTT 5.0 §2.1.4"],
  ["s4", "PUBACK with a code at level 4", "4003000a00", Malformed, "MQTT 5.0 §2.1.4"],
  ["s4", "PUBACK without identifier", "400100", Malformed, "MQTT 5.0 §4.13.1"],
];

const ORDER_CASES: readonly Case[] = [
  ["s5", "a second CONNECT", "100e00044d5154540502003c00000161", ProtocolError, "MQTT-3.1.0-2"],
  ["c5", "a second CONNACK", "2003000000", ProtocolError, "MQTT-3.2.0-2"],
  ["s5", "CONNACK at a server", "2003000000", ProtocolError, "MQTT 5.0 §2.1.2"],
  ["s4", "SUBACK at a server", "9003000101", ProtocolError, "MQTT 5.0 §2.1.2"],
  ["s4", "PINGRESP at a server", "d000", ProtocolError, "MQTT 5.0 §2.1.2"],
  ["c4", "PINGREQ at a client", "c000", ProtocolError, "MQTT 5.0 §2.1.2"],
  ["c4", "SUBSCRIBE at a client", "820800010003612f2301", ProtocolError, "MQTT 5.0 §2.1.2"],
  ["c4", "DISCONNECT at a client of level 4", "e000", ProtocolError, "MQTT 5.0 §2.1.2"],
];

const CONNECT_CASES: readonly Case[] = [
  ["s4", "level 3", "100f00064d514973647003 02 003c000161", 0x84, "MQTT-3.1.2-1"],
  ["s4", "another protocol", "100d00044854545004 02 003c 000161", 0x84, "MQTT-3.1.2-1"],
  ["s4", "level 6", "100d00044d51545406 02 003c 000161", 0x84, "MQTT-3.1.2-2"],
  ["s4", "the bridge bit", "100d00044d51545484 02 003c 000161", 0x84, "MQTT-3.1.2-2"],
  ["s4", "the reserved flag", "100d00044d51545404 03 003c 000161", Malformed, "MQTT-3.1.2-3"],
  ["s4", "will QoS, no will", "100d00044d51545404 0a 003c 000161", Malformed, "MQTT-3.1.2-11"],
  ["s4", "retain, no will", "100d00044d51545404 22 003c 000161", Malformed, "MQTT-3.1.2-13"],
  [
    ...(["s4", "will QoS 3", "101300044d51545404 1e 003c 000161 000177 000178"] as const),
    ...([Malformed, "MQTT-3.1.2-12"] as const),
  ],
  [
    ...(["s4", "a password alone", "101000044d51545404 42 003c 000161 000170"] as const),
    ...([Malformed, "v3.1.1 MQTT-3.1.2-22"] as const),
  ],
  [
    ...(["s4", "no identifier, old session", "100c00044d51545404 00 003c 0000"] as const),
    ...([0x85, "v3.1.1 MQTT-3.1.3-8"] as const),
  ],
  [
    ...(["s4", "a will to a wildcard", "101300044d51545404 06 003c 000161 00012b 000178"] as const),
    ...([0x90, "MQTT-3.3.2-2"] as const),
  ],
  [
    "s4",
    "something after it",
    "100e00044d51545404 02 003c 000161 00",
    Malformed,
    "MQTT 5.0 §2.1.4",
  ],
  ["s4", "the end in its middle", "100a00044d51545404 02 003c", Malformed, "MQTT 5.0 §4.13.1"],
  [
    ...(["s5", "receive maximum 0", "101100044d51545405 02 003c 03210000 000161"] as const),
    ...([ProtocolError, "MQTT 5.0 §3.1.2.11.3"] as const),
  ],
  [
    ...(["s5", "packet size 0", "101300044d51545405 02 003c 052700000000 000161"] as const),
    ...([ProtocolError, "MQTT 5.0 §3.1.2.11.4"] as const),
  ],
  [
    ...([
      "s5",
      "authentication data alone",
      "101200044d51545405 02 003c 0416000101 000161",
    ] as const),
    ...([ProtocolError, "MQTT 5.0 §3.1.2.11.10"] as const),
  ],
  [
    ...(["s4", "a password cut short", "101300044d51545404 c2 003c 000161 000175 000270"] as const),
    ...([Malformed, "MQTT 5.0 §4.13.1"] as const),
  ],
  ["s5", "a padded length", "108e0000044d5154540502003c00000161", Malformed, "MQTT-1.5.5-1"],
  ["c4", "flags in CONNACK", "20020200", Malformed, "MQTT-3.2.2-1"],
  ["c4", "return code 6", "20020006", Malformed, "MQTT-3.2.2-8"],
  ["c5", "reason code 0x8e in CONNACK", "2003008e00", Malformed, "MQTT-3.2.2-8"],
  ["c5", "a session in a refusal", "2003018700", ProtocolError, "MQTT-3.2.2-6"],
  ["c5", "maximum QoS 2", "20050000022402", ProtocolError, "MQTT 5.0 §3.2.2.3.4"],
];

const PUBLISH_CASES: readonly Case[] = [
  ["s4", "QoS 3", "36090003612f62000a6869", Malformed, "MQTT-3.3.1-4"],
  ["s4", "a repeat of QoS 0", "38070003612f626869", Malformed, "MQTT-3.3.1-2"],
  ["s4", "identifier 0", "32090003612f6200006869", ProtocolError, "MQTT-2.2.1-3"],
  ["s4", "a wildcard", "30070003612f236869", 0x90, "MQTT-3.3.2-2"],
  ["s4", "no topic", "300200006869", 0x90, "MQTT-4.7.3-1"],
  ["s5", "neither topic nor alias", "3005000000 6869", ProtocolError, "MQTT 5.0 §3.3.2.1"],
  ["s5", "alias 0", "3008000003230000 6869", 0x94, "MQTT-3.3.2-8"],
  ["s4", "a topic of 17 levels", `3013001161${"2f".repeat(16)}`, 0x90, "limit maxTopicLevels"],
  ["s4", "U+0000", "30070003610062 6869", Malformed, "MQTT-1.5.4-2"],
  ["s4", "a lone surrogate", "30070003eda0806869", Malformed, "MQTT-1.5.4-1"],
  ["s4", "an overlong slash", "30070003c0af626869", Malformed, "MQTT-1.5.4-1"],
  ["s4", "a topic longer than the packet", "30040009612f", Malformed, "MQTT 5.0 §4.13.1"],
  ["s5", "a property of CONNECT", "300900016103210001 6869", Malformed, "MQTT 5.0 §2.2.2.2"],
  ["s5", "an unknown property", "3007000161017f 6869", Malformed, "MQTT 5.0 §2.2.2.2"],
  ["s5", "a property twice", "300a000161 0401010101 6869", ProtocolError, "MQTT 5.0 §2.2.2.2"],
  ["s5", "a boolean of 2", "3008000161 020102 6869", ProtocolError, "MQTT 5.0 §2.2.2.2"],
  ["s5", "properties beyond the end", "3005000161 0901", Malformed, "MQTT 5.0 §2.2.2.1"],
  ["s5", "a value beyond the properties", "3008000161 020200 6869", Malformed, "MQTT 5.0 §4.13.1"],
  ["s5", "an identifier of a subscription", "3008000161020b01 6869", ProtocolError, "MQTT-3.3.4-6"],
  ["c5", "a subscription 0", "3008000161020b00 6869", ProtocolError, "MQTT 5.0 §3.8.2.1.2"],
  ["s5", "an answer to a wildcard", "300a00016104080001 23 6869", ProtocolError, "MQTT-3.3.2-14"],
  ["s5", "an answer to nowhere", "30090001610308 0000 6869", ProtocolError, "MQTT-4.7.3-1"],
  ["s5", "a code of SUBACK in PUBACK", "4003000a01", Malformed, "MQTT-3.4.2-1"],
  ["s5", "a code of PUBACK in PUBREL", "6203000a10", Malformed, "MQTT-3.6.2-1"],
];

const SUBSCRIBE_CASES: readonly Case[] = [
  ["s4", "no filter", "82020001", ProtocolError, "MQTT-3.8.3-2"],
  ["s4", "identifier 0", "820800000003612f2301", ProtocolError, "MQTT-2.2.1-3"],
  ["s4", "QoS 3", "820800010003612f2303", ProtocolError, "MQTT 5.0 §3.8.3.1"],
  ["s4", "options of level 5", "820800010003612f2305", Malformed, "MQTT-3.8.3-5"],
  ["s5", "reserved options", "82090001000003612f2341", Malformed, "MQTT-3.8.3-5"],
  ["s5", "retain handling 3", "82090001000003612f2331", ProtocolError, "MQTT 5.0 §3.8.3.1"],
  [
    ...(["s5", "no local, shared", "82100001 00 000a2473686172652f672f61 05"] as const),
    ...([ProtocolError, "MQTT-3.8.3-4"] as const),
  ],
  ["s4", "# in the middle", "820a00010005612f232f6201", 0x8f, "MQTT-4.7.1-1"],
  ["s4", "+ in a word", "820700010002612b01", 0x8f, "MQTT-4.7.1-2"],
  ["s4", "no options", "820700010003612f23", Malformed, "MQTT 5.0 §4.13.1"],
  ["s5", "subscription 0", "820b0001020b000003612f2301", ProtocolError, "MQTT 5.0 §3.8.2.1.2"],
  ["s5", "two identifiers", "820d0001040b010b020003612f2301", ProtocolError, "MQTT 5.0 §3.8.2.1.2"],
  ["s4", "no filter in UNSUBSCRIBE", "a2020001", ProtocolError, "MQTT-3.10.3-2"],
  ["s5", "$share without group", "a20c000100 00072473686172652f", 0x8f, "MQTT-4.8.2-1"],
  ["c4", "no code in SUBACK", "90020001", ProtocolError, "MQTT-3.9.3-2"],
  ["c4", "a code of level 5", "9003000187", Malformed, "MQTT-3.9.3-2"],
  ["c5", "a code of UNSUBACK", "900400010011", Malformed, "MQTT-3.9.3-2"],
  ["c5", "no code in UNSUBACK", "b003000100", ProtocolError, "MQTT-3.11.3-2"],
  ["c4", "a code in UNSUBACK", "b003000100", Malformed, "MQTT 5.0 §2.1.4"],
];

const ENDING_CASES: readonly Case[] = [
  ["s5", "a code of CONNACK", "e00186", Malformed, "MQTT-3.14.2-1"],
  ["c5", "session expiry of a server", "e007000511 00000001", ProtocolError, "MQTT-3.14.2-2"],
  ["s5", "a code of DISCONNECT in AUTH", "f0028000", Malformed, "MQTT-3.15.2-1"],
  ["s5", "AUTH without method", "f0021800", ProtocolError, "MQTT 5.0 §3.15.2.2.2"],
];

function checkCases(cases: readonly Case[]): void {
  for (const [who, what, hex, reasonCode, clause] of cases) {
    const bytes = Buffer.from(hex.replaceAll(" ", ""), "hex");
    const level = who.endsWith("4") ? 4 : 5;
    const receiver = who.startsWith("s") ? "server" : "client";
    const isSecond = clause === "MQTT-3.1.0-2" || clause === "MQTT-3.2.0-2";
    const isMisdirected = clause === "MQTT 5.0 §2.1.2";
    const type = PACKET_NAMES[bytes[0]! >> 4];
    test(`${type} at level ${level} ${receiver}: ${what} breaks ${clause}`, () => {
      const open = isSecond || isMisdirected;
      const options = { level, receiver } as const;
      const decoder = open ? openDecoder(options) : decoderBefore(bytes[0]!, options);
      const [failure, ...more] = decodeAll(decoder, [bytes]);
      assert.equal(failure?.type, MALFORMED, `accepted: ${JSON.stringify(failure)}`);
      assert.deepEqual(
        { reasonCode: failure.reasonCode, clause: failure.clause },
        { reasonCode, clause },
      );
      assert.deepEqual(more, []);
      assert.equal(decoder.next(), failure, "a failure is final");
      assert.equal(decoder.pendingBytes, 0);
    });
  }
}

describe("a receiver refuses", () => {
  checkCases(FIXED_HEADER_CASES);
  checkCases(ORDER_CASES);
  checkCases(CONNECT_CASES);
  checkCases(PUBLISH_CASES);
  checkCases(SUBSCRIBE_CASES);
  checkCases(ENDING_CASES);

  test("anything but CONNECT as first packet, at its first byte", () => {
    for (const text of ["GET / HTTP/1.1", "\x16\x03\x01", "\xc0\x00"]) {
      const [failure] = decodeAll(freshDecoder(server5), [Buffer.from(text.slice(0, 1), "latin1")]);
      assert.equal(failure?.type, MALFORMED, text);
    }
  });

  test("anything but CONNACK or AUTH as first answer", () => {
    const decoder = freshDecoder({ level: 5, receiver: "client" });
    const [failure] = decodeAll(decoder, [Buffer.from("e000", "hex")]);
    assert.equal((failure as MalformedPacket).clause, "MQTT-3.2.0-1");
  });

  test("everything after a CONNACK that refuses", () => {
    const decoder = freshDecoder({ level: 4, receiver: "client" });
    const [connack, failure] = decodeAll(decoder, [Buffer.from("20020005d000", "hex")]);
    assert.equal(connack?.type, PacketType.Connack);
    assert.equal(failure?.type, MALFORMED);
  });
});

describe("a receiver accepts", () => {
  test("a padded length at level 4, which small devices write", () => {
    const decoder = openDecoder({ level: 4, receiver: "server" });
    assert.equal(decodeAll(decoder, [Buffer.from("c0808000", "hex")])[0]?.type, PacketType.Pingreq);
  });

  test("the refusal of a server that only knows level 4", () => {
    const decoder = freshDecoder({ level: 5, receiver: "client" });
    const [connack] = decodeAll(decoder, [Buffer.from("20020001", "hex")]);
    assert.ok(connack?.type === PacketType.Connack);
    assert.equal(connack.reasonCode, ReasonCode.UnsupportedProtocolVersion);
  });

  test("a byte order mark as part of a topic", () => {
    const decoder = openDecoder({ level: 4, receiver: "server" });
    const bytes = encodePublish(4, { ...publishFields, topic: "\u{feff}é😀" });
    assert.equal((decodeAll(decoder, [bytes])[0] as Publish).topic, "\u{feff}é😀");
  });

  test("a level 5 password without user name", () => {
    const bytes = Buffer.from("101100044d5154540542003c00000161000170", "hex");
    assert.equal(decodeAll(freshDecoder(server5), [bytes])[0]?.type, PacketType.Connect);
  });
});

describe("limits", () => {
  const limits = { ...DEFAULT_DECODER_LIMITS, maxPacketBytes: 64, maxConnectBytes: 32 };

  test("a packet over maxPacketBytes is refused by its header, before its body", () => {
    const decoder = openDecoder({ ...server5, limits });
    assert.equal(decodeAll(decoder, [Buffer.from([0x30, 62])]).length, 0);
    const other = openDecoder({ ...server5, limits });
    const [failure] = decodeAll(other, [Buffer.from([0x30, 63])]);
    assert.ok(failure?.type === MALFORMED);
    assert.equal(failure.reasonCode, ReasonCode.PacketTooLarge);
    assert.equal(failure.clause, "limit maxPacketBytes");
  });

  test("before CONNECT the limit is maxConnectBytes", () => {
    const [failure] = decodeAll(freshDecoder({ ...server5, limits }), [Buffer.from([0x10, 31])]);
    assert.ok(failure?.type === MALFORMED);
    assert.equal(failure.clause, "limit maxConnectBytes");
  });

  test("maxPacketBytes of one connection may be changed", () => {
    const decoder = openDecoder({ ...server5, limits });
    decoder.maxPacketBytes = 65;
    assert.equal(decodeAll(decoder, [Buffer.from([0x30, 63])]).length, 0);
  });

  test("a topic may have maxTopicLevels levels and no more", () => {
    const deep = (levels: number): Buffer =>
      encodePublish(5, { ...publishFields, topic: Array(levels).fill("x").join("/") });
    assert.equal(decodeAll(openDecoder(server5), [deep(16)])[0]?.type, PacketType.Publish);
    const [failure] = decodeAll(openDecoder(server5), [deep(17)]);
    assert.ok(failure?.type === MALFORMED);
    assert.equal(failure.clause, "limit maxTopicLevels");
  });

  test("a packet may have maxUserProperties user properties and no more", () => {
    const withProperties = (count: number): Buffer => {
      const userProperties = Array.from({ length: count }, () => ["a", "b"] as const);
      return encodePublish(5, { ...publishFields, properties: { userProperties } });
    };
    const [accepted] = decodeAll(openDecoder(server5), [withProperties(16)]);
    assert.equal((accepted as Publish).properties?.userProperties?.length, 16);
    const [failure] = decodeAll(openDecoder(server5), [withProperties(17)]);
    assert.ok(failure?.type === MALFORMED);
    assert.equal(failure.clause, "limit maxUserProperties");
  });

  test("a SUBSCRIBE may have maxSubscriptions filters and no more", () => {
    const subscribe = (count: number): Buffer => {
      const body = Buffer.from(`000100${"00016101".repeat(count)}`, "hex");
      return Buffer.concat([
        Buffer.from([0x82, 0x80 | (body.length & 127), body.length >> 7]),
        body,
      ]);
    };
    assert.equal(decodeAll(openDecoder(server5), [subscribe(32)])[0]?.type, PacketType.Subscribe);
    const [failure] = decodeAll(openDecoder(server5), [subscribe(33)]);
    assert.ok(failure?.type === MALFORMED);
    assert.equal(failure.clause, "limit maxSubscriptions");
  });
});

describe("memory", () => {
  test("a payload that arrived whole is a view of its chunk", () => {
    const bytes = encodePublish(5, publishFields);
    const [packet] = decodeAll(openDecoder(server5), [bytes]);
    assert.equal((packet as Publish).payload.buffer, bytes.buffer);
  });

  test("only what arrived waits, whatever the header announces", () => {
    const decoder = openDecoder(server5);
    // 262,000 bytes are announced, six have come.
    decodeAll(decoder, [Buffer.from([0x30, 0xf0, 0xfe, 0x0f]), Buffer.from([0, 3])]);
    assert.equal(decoder.pendingBytes, 6);
  });

  test("what is refused is passed over, and what comes behind it is not", () => {
    const decoder = openDecoder(server5);
    const refused: string[] = [];
    const refuser = {
      refuses: (bytes: Buffer, start: number, end: number): boolean => {
        refused.push(bytes.toString("utf8", start, end));
        return true;
      },
    };
    const plain = encodePublish(5, { ...publishFields, qos: 0, packetId: 0 });
    const acknowledged = encodePublish(5, { ...publishFields, qos: 1, packetId: 7 });
    decoder.push(Buffer.concat([plain, plain, acknowledged, plain]));
    const packet = decoder.next(refuser) as Publish;
    assert.deepEqual([packet.type, packet.packetId], [PacketType.Publish, 7]);
    assert.equal(decoder.next(refuser), null);
    assert.deepEqual(
      refused,
      Array.from({ length: 3 }, () => publishFields.topic),
    );
    decoder.push(Buffer.from("3001ff", "hex"));
    assert.equal(decoder.next(refuser)?.type, MALFORMED, "no topic: nothing to refuse");
  });

  test("nothing waits between packets", () => {
    const decoder = openDecoder(server5);
    const bytes = encodePublish(5, publishFields);
    for (const byte of bytes) decodeAll(decoder, [Buffer.of(byte)]);
    assert.equal(decoder.pendingBytes, 0);
  });

  test("a push before next returned null is a bug of the caller", () => {
    const decoder = openDecoder(server5);
    decoder.push(Buffer.from("c000c000", "hex"));
    decoder.next();
    assert.throws(() => decoder.push(Buffer.from("c000", "hex")), /push before next/);
  });

  test("a plain Uint8Array is read like a Buffer", () => {
    const bytes = new Uint8Array([0, ...encodePublish(5, publishFields)]).subarray(1);
    const [packet] = decodeAll(openDecoder(server5), [bytes]);
    assert.equal((packet as Publish).payload.toString(), "hi");
  });
});
