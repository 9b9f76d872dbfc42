// SPDX-License-Identifier: Apache-2.0
/** Whatever was heard before, a heartbeat is read as if it were the first. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { jsonCodec } from "../json-codec.ts";
import { heartbeatJson } from "./heartbeat-json.ts";
import { deviceHeartbeatSchema } from "./status.ts";

const plain = jsonCodec(deviceHeartbeatSchema);

/** As an agent writes it, and as it must not be read from memory. */
const texts = fc.constantFrom(
  ',"slots":{}}',
  ',"slots":{"app":{"digest":"","version":"1","generation":0,"health":"healthy"}}}',
  ',"slots":{"app":{"digest":"","version":"ü","generation":3,"health":"unknown"}}}',
  ',"slots":{"app":{"digest":"","version":"2","generation":-1,"health":"unknown"}}}',
  ',"slots":{},"sequence":7}',
  ',"slots":{},"sequ\\u0065nce":7}',
  ',"slots":{},"slots":{"os":{"digest":"","version":"","generation":1,"health":"unhealthy"}}}',
  ', "slots" : {} } ',
  ',"slots":{}} ]',
  ',"slots":{"app":{}}}',
  `,"slots":{}${" ".repeat(600)}}`,
  ',"slots":',
  "",
);
const sequences = fc.oneof(
  fc.nat().map(String),
  fc.maxSafeNat().map(String),
  fc.constantFrom("", "0", "00", "01", "-1", "1.5", "1e3", " 1", "9007199254740993", '"1"'),
);
const messages = fc
  .tuple(fc.constantFrom('{"sequence":', '{ "sequence":', "{"), sequences, texts)
  .map((parts) => Buffer.from(parts.join("")));
const mutated = fc.tuple(messages, fc.nat(200), fc.nat(255)).map(([message, at, byte]) => {
  if (at < message.length) message[at] = byte;
  return message;
});

test("a heartbeat is read as the plain codec reads it, whatever came before", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(messages, mutated), { maxLength: 40 }), (heard) => {
      const codec = heartbeatJson();
      for (const message of heard) assert.deepEqual(codec.decode(message), plain.decode(message));
    }),
    { numRuns: 300 },
  );
});

test("more texts than are remembered come out right, each time they come", () => {
  const codec = heartbeatJson();
  for (let round = 0; round < 3; round += 1) {
    for (let generation = 0; generation < 1_500; generation += 1) {
      const app = { digest: "", version: "1", generation, health: "healthy" } as const;
      const heartbeat = { sequence: round, slots: { app } };
      assert.deepEqual(codec.decode(codec.encode(heartbeat)), heartbeat);
    }
  }
});
