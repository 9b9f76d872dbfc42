// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PacketType } from "../../../protocol/mqtt/packet-type.ts";
import { MqttBench } from "./testing/mqtt-bench.ts";

const PLACE = "10.0.0.2:8883";

/** A gateway that has as many devices as it wants. */
function fullBench(level: 4 | 5, places: readonly string[]): MqttBench {
  const bench = new MqttBench(level);
  bench.redirects.limit = 0;
  bench.redirects.places.push(...places);
  return bench;
}

describe("a gateway that is full", () => {
  test("names another one to a level 5 client", () => {
    const bench = fullBench(5, [PLACE]);
    const [connack] = bench.connect();
    assert.equal(connack?.type, PacketType.Connack);
    assert.equal(connack.reasonCode, 0x9c);
    assert.equal(connack.properties?.serverReference, PLACE);
    assert.equal(bench.isDestroyed, true);
    assert.deepEqual([bench.table.openCount, bench.table.takenCount], [0, 0]);
  });

  test("is unavailable to a 3.1.1 client", () => {
    const bench = fullBench(4, [PLACE]);
    const [connack] = bench.connect();
    // As the decoder gives it: return code 3.
    assert.equal(connack?.type === PacketType.Connack && connack.reasonCode, 0x88);
    assert.equal(bench.isDestroyed, true);
  });

  test("takes a device when no other has room", () => {
    const bench = fullBench(5, []);
    const [connack] = bench.connect();
    assert.equal(connack?.type === PacketType.Connack && connack.reasonCode, 0);
    assert.equal(bench.table.openCount, 1);
  });

  test("takes a device again that is there, for it makes nobody more", () => {
    const bench = fullBench(4, []);
    bench.connect();
    bench.redirects.places.push(PLACE);
    const [connack] = bench.again();
    assert.equal(connack?.type === PacketType.Connack && connack.reasonCode, 0);
    assert.deepEqual(bench.closed, ["taken-over"]);
    assert.deepEqual(bench.redirects.places, [PLACE]);
  });
});
