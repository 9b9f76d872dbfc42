// SPDX-License-Identifier: Apache-2.0
/** Every kind of field that protoc-gen-codec knows, against the library. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { DeviceStatus } from "../../gen/muster/bench/v1/status_codec.ts";
import { libraryStatuses, protobufStatuses } from "./protobuf-codecs.ts";

const text = fc.oneof(fc.string(), fc.string({ unit: "grapheme", maxLength: 100 }));
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });

const status: fc.Arbitrary<DeviceStatus> = fc.record(
  {
    id: int64,
    device: text,
    tenant: text,
    region: text,
    version: text,
    generation: fc.integer(),
    health: fc.integer(),
    bootId: int64,
    atMs: int64,
    uptimeSeconds: uint32,
    load: fc.double(),
    freeMemoryMib: uint32,
    temperature: fc.oneof(fc.double(), fc.constant(-0)),
    critical: fc.boolean(),
    freeDiskMib: uint32,
  },
  { noNullPrototype: true },
);

test("a status has the library's bytes, and comes back as it was", () => {
  fc.assert(
    fc.property(status, (message) => {
      const bytes = protobufStatuses.encode(message);
      assert.deepEqual(Buffer.from(bytes), Buffer.from(libraryStatuses.encode(message)));
      assert.deepEqual(protobufStatuses.decode(bytes), message);
    }),
    { numRuns: 1_000 },
  );
});
