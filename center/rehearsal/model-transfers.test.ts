// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { NO_BANDWIDTH, type Bandwidth } from "../../domain/bandwidth.ts";
import { ModelTransfers } from "./model-transfers.ts";

const MIB = 2 ** 20;

/** Devices 0 and 1 at one site and gateway, 2 at their site and another gateway, 3 at no site. */
function transfers(bandwidth: Partial<Bandwidth>, away: readonly number[] = []): ModelTransfers {
  return new ModelTransfers({
    bandwidth: { ...NO_BANDWIDTH, ...bandwidth },
    sites: Uint32Array.of(7, 7, 7, 0),
    gateways: Uint16Array.of(1, 1, 2, 2),
    isOnline: (device) => !away.includes(device),
  });
}

/** Ten MiB to each of these from the start; when each is through, looked at every second. */
function throughAtMs(model: ModelTransfers, devices: readonly number[]): number[] {
  for (const device of devices) model.begin(device, 10 * MIB, 0);
  const found = new Map<number, number>();
  for (let nowMs = 1_000; nowMs <= 60_000; nowMs += 1_000) {
    for (const { device, atMs } of model.advance(nowMs)) found.set(device, Math.round(atMs));
  }
  return devices.map((device) => found.get(device) ?? -1);
}

describe("a download of a rehearsal", () => {
  test("moves as fast as its device may", () => {
    const model = transfers({ deviceBytesPerSecond: MIB });
    assert.deepEqual(throughAtMs(model, [0, 1, 3]), [10_000, 10_000, 10_000]);
  });

  test("shares what its site may move, at each gateway, and has none of it elsewhere", () => {
    const caps = { siteBytesPerSecond: 2 * MIB, deviceBytesPerSecond: 4 * MIB };
    assert.deepEqual(throughAtMs(transfers(caps), [0, 1, 2, 3]), [10_000, 10_000, 5_000, 2_500]);
  });

  test("shares what its gateway may move, and has it alone when the other is through", () => {
    const model = transfers({ gatewayBytesPerSecond: 2 * MIB });
    model.begin(2, 2 * MIB, 0);
    assert.deepEqual(throughAtMs(model, [0, 3]), [5_000, 6_000]);
  });

  test("begins at its moment, also between two looks", () => {
    const model = transfers({ deviceBytesPerSecond: MIB });
    model.begin(0, MIB, 0);
    model.begin(1, MIB, 600);
    assert.deepEqual(model.advance(2_000), [
      { device: 0, atMs: 1_000 },
      { device: 1, atMs: 1_600 },
    ]);
  });

  test("stands still while its device is away, and takes nobody's share", () => {
    const away = [0];
    const model = transfers({ gatewayBytesPerSecond: MIB }, away);
    model.begin(0, MIB, 0);
    model.begin(1, MIB, 0);
    assert.deepEqual(model.advance(1_000), [{ device: 1, atMs: 1_000 }]);
    away.length = 0;
    assert.deepEqual(model.advance(2_000), [{ device: 0, atMs: 2_000 }]);
  });

  test("that is given up is forgotten", () => {
    const model = transfers({ deviceBytesPerSecond: MIB });
    model.begin(0, MIB, 0);
    model.end(0);
    assert.deepEqual([model.has(0), model.advance(60_000)], [false, []]);
  });
});
