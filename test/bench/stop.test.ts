// SPDX-License-Identifier: Apache-2.0
/** The bench of stops, small: what the center says of a stop is what the devices wrote down. */
import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { test } from "node:test";
import { measureLoopback } from "../../bench/macro/stop/loopback.ts";
import { measureStop } from "../../bench/macro/stop/measure-stop.ts";
import { testShell } from "../helpers/shell.ts";
import { tempDir } from "../helpers/temp-dir.ts";

const DEVICES = 12;

test("two stops reach every gateway and device, and nobody accepts later", async ({ signal }) => {
  await using folder = await tempDir("bench-stop");
  const stderr = new Writable({ write: (_chunk, _encoding, done) => done() });
  const shell = { ...testShell(signal), stderr };
  const stops = await measureStop({ deviceCount: DEVICES, rounds: 2, folder: folder.path, shell });
  assert.equal(stops.length, 2);
  for (const stop of stops) {
    const { gateways, gatewaysInformed, devices, devicesInformed, devicesNotConnected } = stop;
    assert.deepEqual([gatewaysInformed, gateways], [2, 2]);
    assert.deepEqual([devicesInformed, devices, devicesNotConnected], [DEVICES, DEVICES, 0]);
    assert.deepEqual(stop.journal, { withdrawn: DEVICES, accepted: 0, acceptedLate: 0 });
    assert.ok((stop.devicesMs ?? 0) >= 0 && (stop.gatewaysMs ?? 0) > 0 && stop.answerMs > 0);
  }
  assert.ok((await measureLoopback(DEVICES)) > 0);
});
