// SPDX-License-Identifier: Apache-2.0
/** A heartbeat says the same in every codec, and is refused for the same in every codec. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { create, fromBinary, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { DecodeFault, isFault } from "../codec.ts";
import { DeviceHeartbeatSchema, SlotHealth } from "../gen/muster/v1/device_pb.ts";
import { heartbeatCodec } from "./heartbeat-codecs.ts";
import { CODECS } from "./codec-names.ts";
import type { DeviceHeartbeat, SlotStatus } from "./status.ts";

const DIGEST = "0123456789abcdef".repeat(4);
const status: SlotStatus = { digest: DIGEST, version: "1.2.3", generation: 7, health: "healthy" };

const HEARTBEATS: readonly DeviceHeartbeat[] = [
  { sequence: 0, slots: {} },
  { sequence: 1, slots: { app: status } },
  { sequence: Number.MAX_SAFE_INTEGER, slots: { command: status, config: status, os: status } },
  { sequence: 2, slots: { app: { digest: "", version: "", generation: 0, health: "unknown" } } },
  { sequence: 3, slots: { app: { ...status, health: "unhealthy", generation: 0x7fff_ffff } } },
  { sequence: 4, slots: { app: { ...status, version: "größer ".repeat(18) } } },
];

for (const name of CODECS) {
  test(`heartbeats come back from ${name} as they were`, () => {
    const codec = heartbeatCodec(name);
    assert.deepEqual(
      HEARTBEATS.map((each) => codec.decode(codec.encode(each))),
      HEARTBEATS,
    );
  });
}

/** Definitions alone: without comments, blank lines and layout. */
function definitions(text: string): string {
  return text
    .replaceAll(/\/\/.*/g, "")
    .replaceAll(/\s+/g, " ")
    .trim();
}

describe("the reference of the device protocol", async () => {
  const text = (path: string): Promise<string> =>
    readFile(new URL(`../../${path}`, import.meta.url), "utf8");
  const page = await text("docs/reference/device-protocol.md");

  test("has the messages of the .proto file", async () => {
    const [, block = ""] = /```proto\n([^`]+)```/.exec(page) ?? [];
    const file = await text("protocol/muster/v1/device.proto");
    assert.equal(definitions(block), definitions(file).replace(/^.*?package muster.v1; /, ""));
  });

  test("has the bytes of an example", () => {
    const bytes = heartbeatCodec("protobuf").encode({ sequence: 1, slots: { app: status } });
    assert.ok(page.includes(`\n${Buffer.from(bytes).toString("hex")}\n`));
  });
});

test("healths have the numbers that the .proto file names", () => {
  const healths = { unknown: "UNSPECIFIED", healthy: "HEALTHY", unhealthy: "UNHEALTHY" } as const;
  for (const [health, name] of Object.entries(healths)) {
    const app = { ...status, health: health as SlotStatus["health"] };
    const bytes = heartbeatCodec("protobuf").encode({ sequence: 1, slots: { app } });
    assert.equal(fromBinary(DeviceHeartbeatSchema, bytes).app?.health, SlotHealth[name]);
  }
});

describe("a heartbeat in Protobuf is refused", () => {
  type Init = MessageInitShape<typeof DeviceHeartbeatSchema>;
  const digest = Buffer.from(DIGEST, "hex");
  const cases: readonly (readonly [name: string, message: Init, reason: string])[] = [
    ["with a sequence that JSON cannot say", { sequence: 2n ** 53n }, "sequence: not below 2^53"],
    [
      "with half a digest",
      { app: { digest: digest.subarray(16) } },
      "slots.app.digest: 16 bytes, neither 32 nor none",
    ],
    [
      "with a long version",
      { os: { version: "v".repeat(129) } },
      "slots.os.version: more than 128 characters",
    ],
    ["with a negative generation", { os: { generation: -1 } }, "slots.os.generation: negative"],
    [
      "with a health that there is not",
      { config: { health: 3 as SlotHealth } },
      "slots.config.health: 3 is none",
    ],
  ];
  for (const [name, message, reason] of cases) {
    test(name, () => {
      const bytes = toBinary(DeviceHeartbeatSchema, create(DeviceHeartbeatSchema, message));
      assert.deepEqual(heartbeatCodec("protobuf").decode(bytes), new DecodeFault(reason));
    });
  }
});

describe("a heartbeat in JSON is refused with its place", () => {
  const cases: readonly (readonly [text: string | Buffer, reason: RegExp])[] = [
    [Buffer.from([0x80]), /^it is not UTF-8$/],
    ["{", /^it is not JSON$/],
    ["[]", /^the message: /],
    ['{"sequence":1}', /^slots: /],
    ['{"sequence":-1,"slots":{}}', /^sequence: /],
    ['{"sequence":1,"slots":{"app":{}}}', /^slots\.app\.digest: /],
    ['{"sequence":1,"slots":{},"\\u0007\\ud800é":1}', /^the message: Unrecognized key: "\?+"$/],
    [`{"sequence":1,"slots":{},"${"x".repeat(3_000)}":1}`, /^.{200}$/],
  ];
  for (const [text, reason] of cases) {
    test(String(reason), () => {
      const fault = heartbeatCodec("json").decode(Buffer.from(text as string));
      assert.ok(isFault(fault));
      assert.match(fault.reason, reason);
    });
  }
});
