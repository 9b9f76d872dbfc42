// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { encodeConnack, encodeConnect } from "./connect-encoder.ts";
import {
  encodeAcknowledgement,
  encodeDisconnect,
  encodePacket,
  encodePuback,
  encodePublish,
  writePuback,
} from "./encoder.ts";
import { PacketType } from "./packet-type.ts";
import type { PublishFields } from "./packets.ts";
import { ReasonCode } from "./reason-codes.ts";
import { encodeSuback, encodeSubscribe, encodeUnsuback } from "./subscribe-encoder.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const publish: PublishFields = {
  topic: "a/b",
  payload: Buffer.from("hi"),
  qos: 1,
  retain: false,
  dup: false,
  packetId: 10,
};

describe("level 4 leaves out what it cannot say", () => {
  test("properties", () => {
    const properties = { contentType: "text/plain" };
    assert.equal(hex(encodePublish(4, { ...publish, properties })), "32090003612f62000a6869");
  });

  test("reason codes of acknowledgements", () => {
    const packet = { packetId: 10, reasonCode: ReasonCode.NotAuthorized } as const;
    assert.equal(hex(encodePuback(4, 10, ReasonCode.NotAuthorized)), "4002000a");
    for (const [type, first] of [
      [PacketType.Puback, "40"],
      [PacketType.Pubrel, "62"],
    ] as const) {
      assert.equal(hex(encodeAcknowledgement(4, { type, ...packet })), `${first}02000a`);
    }
    assert.equal(hex(encodeUnsuback(4, { packetId: 1, reasonCodes: [0x87] })), "b0020001");
    assert.equal(hex(encodeSuback(4, { packetId: 1, reasonCodes: [1, 0x87] })), "900400010180");
    assert.equal(hex(encodeDisconnect(4, { reasonCode: ReasonCode.ServerBusy })), "e000");
  });

  test("reasons of a refusal, but for five of them", () => {
    const refuse = (reasonCode: ReasonCode): string =>
      hex(encodeConnack(4, { sessionPresent: false, reasonCode }));
    assert.equal(refuse(ReasonCode.NotAuthorized), "20020005");
    assert.equal(refuse(ReasonCode.ServerBusy), "20020003");
  });
});

describe("acknowledgements", () => {
  test("of success take four bytes at both levels", () => {
    assert.equal(hex(encodePuback(4, 0xabcd)), "4002abcd");
    assert.equal(hex(encodePuback(5, 0xabcd)), "4002abcd");
    assert.equal(hex(encodePuback(5, 10, ReasonCode.QuotaExceeded)), "4003000a97");
  });

  test("of one turn share a buffer", () => {
    const buffer = Buffer.alloc(9, 0xff);
    assert.equal(writePuback(buffer, writePuback(buffer, 0, 1), 0x0203), 8);
    assert.equal(hex(buffer), "4002000140020203ff");
  });
});

test("the remaining length takes as many bytes as it needs", () => {
  for (const [payloadBytes, header] of [
    [122, "307f"],
    [123, "308001"],
    [16_378, "30ff7f"],
    [16_379, "30808001"],
    [2_097_146, "30ffff7f"],
    [2_097_147, "3080808001"],
  ] as const) {
    const payload = Buffer.alloc(payloadBytes);
    const bytes = encodePublish(4, { ...publish, qos: 0, payload });
    assert.equal(hex(bytes.subarray(0, header.length / 2)), header);
    assert.equal(bytes.length, header.length / 2 + 5 + payloadBytes);
  }
});

describe("what the wire cannot hold is a bug of the caller", () => {
  const none: readonly never[] = [];
  const connect = {
    protocolLevel: 4,
    clientId: "a",
    cleanStart: true,
    keepAliveSeconds: 0,
  } as const;
  const cases: readonly (readonly [string, () => Buffer])[] = [
    ["an identifier of 0", () => encodePublish(4, { ...publish, packetId: 0 })],
    ["an identifier of 65,536", () => encodePuback(4, 65_536)],
    ["no topic", () => encodePublish(5, { ...publish, topic: "" })],
    ["a topic with a wildcard", () => encodePublish(4, { ...publish, topic: "a/#" })],
    ["a topic with U+0000", () => encodePublish(4, { ...publish, topic: "a\0" })],
    ["a lone surrogate", () => encodePublish(4, { ...publish, topic: "\ud800" })],
    ["a string of 65,536 bytes", () => encodePublish(4, { ...publish, topic: "x".repeat(65_536) })],
    ["SUBSCRIBE of nothing", () => encodeSubscribe(4, { packetId: 1, subscriptions: none })],
    ["SUBACK of nothing", () => encodeSuback(5, { packetId: 1, reasonCodes: none })],
    ["a password alone at level 4", () => encodeConnect({ ...connect, password: Buffer.of(1) })],
    [
      "no identifier and no clean session",
      () => encodeConnect({ ...connect, clientId: "", cleanStart: false }),
    ],
    ["a keep alive of 65,536 s", () => encodeConnect({ ...connect, keepAliveSeconds: 65_536 })],
    [
      "a refusal with a session",
      () => encodeConnack(5, { sessionPresent: true, reasonCode: ReasonCode.Banned }),
    ],
    [
      "a property of another packet",
      () => encodePublish(5, { ...publish, properties: { serverKeepAliveSeconds: 1 } }),
    ],
    [
      "AUTH at level 4",
      () => encodePacket(4, { type: PacketType.Auth, reasonCode: ReasonCode.Success }),
    ],
  ];
  for (const [what, encode] of cases) {
    test(what, () => assert.throws(encode, { name: "AssertionError" }));
  }
});
