// SPDX-License-Identifier: Apache-2.0
/**
 * What scripts/protoc-gen-codec.ts generates, on heartbeats, against the library: the same bytes
 * for the same message, the same message of the same bytes, whatever the format allows; and a
 * reason for what it does not.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { DecodeFault, isFault } from "../codec.ts";
import {
  readDeviceHeartbeat,
  writeDeviceHeartbeat,
  type DeviceHeartbeat,
  type SlotStatus,
} from "../gen/muster/v1/device_codec.ts";
import { DeviceHeartbeatSchema } from "../gen/muster/v1/device_pb.ts";
import { seededDraw } from "../mqtt/testing/mutations.ts";
import { protobufCodec } from "./protobuf-codec.ts";
import { heartbeatFields } from "./testing/wire-fields.ts";

const codec = protobufCodec({ read: readDeviceHeartbeat, write: writeDeviceHeartbeat });

const text: fc.Arbitrary<string> = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.string({ unit: "grapheme", maxLength: 200 }),
  fc.string({ minLength: 60, maxLength: 70 }),
  fc.constant("\ufeff1.0"),
);
const slot: fc.Arbitrary<SlotStatus | undefined> = fc.option(
  fc.record(
    {
      digest: fc.uint8Array({ maxLength: 200 }),
      version: text,
      generation: fc.integer(),
      health: fc.integer(),
    },
    { noNullPrototype: true },
  ),
  { nil: undefined },
);
const heartbeat: fc.Arbitrary<DeviceHeartbeat> = fc.record(
  {
    sequence: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    os: slot,
    app: slot,
    config: slot,
    command: slot,
  },
  { noNullPrototype: true },
);

/** As the library sees it, without what is its own. */
function libraryReads(bytes: Uint8Array): DeviceHeartbeat {
  const { sequence, ...slots } = fromBinary(DeviceHeartbeatSchema, bytes);
  const plain = (status: (typeof slots)["os"]): SlotStatus | undefined =>
    status && {
      digest: Uint8Array.from(status.digest),
      version: status.version,
      generation: status.generation,
      health: status.health,
    };
  const { os, app, config, command } = slots;
  return {
    sequence,
    os: plain(os),
    app: plain(app),
    config: plain(config),
    command: plain(command),
  };
}

function libraryWrites(message: DeviceHeartbeat): Uint8Array {
  const { sequence, os, app, config, command } = message;
  const present = Object.entries({ os, app, config, command }).filter(([, status]) => status);
  return toBinary(
    DeviceHeartbeatSchema,
    create(DeviceHeartbeatSchema, { sequence, ...Object.fromEntries(present) }),
  );
}

describe("generated Protobuf", () => {
  test("has the library's bytes, and reads its own and the library's", () => {
    fc.assert(
      fc.property(heartbeat, (message) => {
        const bytes = codec.encode(message);
        assert.deepEqual(Buffer.from(bytes), Buffer.from(libraryWrites(message)));
        assert.deepEqual(codec.decode(bytes), message);
        assert.deepEqual(libraryReads(bytes), message);
      }),
      { numRuns: 1_000 },
    );
  });

  test("reads whatever the format allows as the library does", () => {
    for (let seed = 1; seed <= 5_000; seed += 1) {
      const bytes = heartbeatFields(seededDraw(seed));
      const where = `seed ${seed}: ${bytes.toString("hex")}`;
      assert.deepEqual(codec.decode(bytes), libraryReads(bytes), where);
    }
  });

  test("bytes of a message are not written again, however many follow", () => {
    const message = (sequence: bigint, versionLength: number): DeviceHeartbeat => ({
      sequence,
      os: {
        digest: new Uint8Array(32),
        version: "é".repeat(versionLength),
        generation: 1,
        health: 1,
      },
      app: undefined,
      config: undefined,
      command: undefined,
    });
    const messages = Array.from({ length: 500 }, (_, index) =>
      message(BigInt(index), index % 100 === 99 ? 10_000 : index),
    );
    const encoded = messages.map((each) => codec.encode(each));
    assert.deepEqual(
      encoded.map((bytes) => codec.decode(bytes)),
      messages,
    );
  });

  test("nothing that was read lies in the bytes", () => {
    const digest = new Uint8Array(32).fill(7);
    const bytes = codec.encode({
      sequence: 1n,
      os: { digest, version: "1.0", generation: 1, health: 1 },
      app: undefined,
      config: undefined,
      command: undefined,
    });
    const read = codec.decode(bytes);
    bytes.fill(0);
    assert.deepEqual(!isFault(read) && read.os?.digest, digest);
  });

  const tooDeep = "b301".repeat(17) + "b401".repeat(17);
  for (const [name, hex, reason] of [
    ["an empty length", "12", "byte 1: it ends within a number"],
    ["a number that does not end", "08ff", "byte 1: it ends within a number"],
    [
      "eleven bytes of a number",
      `08${"ff".repeat(10)}01`,
      "byte 1: a number of more than ten bytes",
    ],
    ["a field with the number 0", "0001", "byte 0: a field with an impossible number"],
    ["a tag of six bytes", "88808080800001", "byte 0: a field with an impossible number"],
    ["a tag of more than 32 bits", "888080801001", "byte 0: a field with an impossible number"],
    ["a message longer than the rest", "1205", "byte 1: a length of 5, and 0 bytes are left"],
    ["a text beyond its message", "12021205", "byte 3: a length of 5, and 0 bytes are left"],
    ["a length of 4 GiB", "12ffffffff0f", "byte 1: a length of 4294967295, and 0 bytes are left"],
    ["a text that is not UTF-8", "12041202c328", "byte 4: a text that is not UTF-8"],
    ["an unknown field cut short", "3204", "byte 1: a length of 4, and 0 bytes are left"],
    ["eight bytes that are three", "31010203", "byte 1: it ends within a field"],
    ["a group that does not end", "33", "byte 1: it ends within a group"],
    ["a group that ends as another", "333c", "byte 2: a group ends that has not begun"],
    ["a group that has not begun", "34", "byte 1: a group ends that has not begun"],
    ["a wire type that there is not", "36", "byte 1: a field has the unknown wire type 6"],
    ["groups within groups", tooDeep, "byte 34: groups are nested too deep"],
  ] as const) {
    test(`refuses ${name}`, () => {
      assert.deepEqual(codec.decode(Buffer.from(hex, "hex")), new DecodeFault(reason));
    });
  }

  test("passes over a known field of another wire type", () => {
    const read = codec.decode(Buffer.from("0a0201ff10050807", "hex"));
    assert.deepEqual(read, { ...(codec.decode(new Uint8Array(0)) as object), sequence: 7n });
  });
});
