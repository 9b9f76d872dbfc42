// SPDX-License-Identifier: Apache-2.0
/**
 * Damaged heartbeats: whatever the bytes are, reading them throws nothing, touches nothing, shows
 * nothing of the memory around them, and what is read is the same when it is written and read
 * again. `MUSTER_FUZZ_COUNT` sets the number of inputs; a failure names the seed of its input.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isFault } from "../codec.ts";
import { heartbeatCodec } from "../device/heartbeat-codecs.ts";
import { deviceHeartbeatSchema } from "../device/status.ts";
import {
  readDeviceHeartbeat,
  writeDeviceHeartbeat,
  type DeviceHeartbeat,
} from "../gen/muster/v1/device_codec.ts";
import { type Draw, mutateAnywhere, seededDraw } from "../mqtt/testing/mutations.ts";
import { protobufCodec } from "./protobuf-codec.ts";
import { heartbeatFields } from "./testing/wire-fields.ts";

const INPUT_COUNT = Number(process.env["MUSTER_FUZZ_COUNT"] ?? 20_000);
/** Around the bytes in memory; nothing that is read may show it. */
const FOREIGN = 0xa5;
const messages = protobufCodec({ read: readDeviceHeartbeat, write: writeDeviceHeartbeat });
const heartbeats = heartbeatCodec("protobuf");

/** Half of them begin as heartbeats that a gateway would take. */
function damaged(draw: Draw): Buffer {
  const status = (): object => ({
    digest: "5b".repeat(32),
    version: "1.0.0",
    generation: draw(1_000),
    health: "healthy",
  });
  const sequence = draw(0xffff_ffff);
  const whole = { sequence, slots: { app: status(), os: status() } } as Parameters<
    typeof heartbeats.encode
  >[0];
  const bytes = draw(2) === 0 ? heartbeatFields(draw) : Buffer.from(heartbeats.encode(whole));
  const changed = mutateAnywhere(bytes, draw);
  const memory = Buffer.alloc(changed.length + 64, FOREIGN);
  memory.set(changed, 32);
  return memory.subarray(32, 32 + changed.length);
}

/** How many bytes of the foreign kind there are in what was read. */
function foreignCount({ os, app, config, command }: DeviceHeartbeat): number {
  return [os, app, config, command]
    .flatMap((slot) => (slot === undefined ? [] : [...slot.digest, ...Buffer.from(slot.version)]))
    .filter((byte) => byte === FOREIGN).length;
}

test(`${INPUT_COUNT} damaged heartbeats are read or refused`, () => {
  let readCount = 0;
  let takenCount = 0;
  for (let seed = 1; seed <= INPUT_COUNT; seed += 1) {
    const bytes = damaged(seededDraw(seed));
    const where = `seed ${seed}: ${bytes.toString("hex")}`;
    const before = Buffer.from(bytes);
    const message = messages.decode(bytes);
    assert.deepEqual(bytes, before, `${where}: it writes into the bytes`);
    const heartbeat = heartbeats.decode(bytes);
    if (isFault(message)) {
      assert.deepEqual(heartbeat, message, where);
      continue;
    }
    readCount += 1;
    const ownCount = bytes.filter((byte) => byte === FOREIGN).length;
    assert.ok(foreignCount(message) <= ownCount, `${where}: it shows other memory`);
    assert.deepEqual(messages.decode(messages.encode(message)), message, where);
    if (isFault(heartbeat)) continue;
    takenCount += 1;
    assert.ok(deviceHeartbeatSchema.safeParse(heartbeat).success, `${where}: JSON would refuse it`);
    assert.deepEqual(heartbeats.decode(heartbeats.encode(heartbeat)), heartbeat, where);
  }
  assert.ok(readCount > INPUT_COUNT / 10 && readCount < INPUT_COUNT * 0.9, `${readCount} read`);
  assert.ok(takenCount > INPUT_COUNT / 50, `${takenCount} taken`);
});
