// SPDX-License-Identifier: Apache-2.0
/** The storms of the bench, small: who behaves is served whatever the others do. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { build } from "../../bench/macro/gateway/tools.ts";
import { malformedStorm } from "../../bench/macro/storm/malformed.ts";
import { reconnectStorm } from "../../bench/macro/storm/reconnect.ts";
import { resumedStorm } from "../../bench/macro/storm/resumed.ts";
import { slowReadersStorm } from "../../bench/macro/storm/slow-readers.ts";
import { telemetryStorm } from "../../bench/macro/storm/telemetry.ts";
import { tempDir } from "../helpers/temp-dir.ts";

for (const storm of [
  reconnectStorm,
  telemetryStorm,
  malformedStorm,
  slowReadersStorm,
  resumedStorm,
]) {
  test(`${storm.name}: nobody else loses a message or its connection`, async (context) => {
    if ((await build("load/load.c")) === null) {
      return context.skip("there is no C compiler for the load");
    }
    await using folder = await tempDir("bench-storm");
    const sizes = { scale: 0.01, timeScale: 0.1 };
    const figures = await storm({ ...sizes, folder: folder.path, program: "", profile: "" });
    const served = Object.entries(figures).filter(([metric]) => metric.includes("served"));
    assert.ok(served.length > 0);
    for (const [metric, [share]] of served) assert.equal(share, 1, metric);
    for (const [metric, [count]] of Object.entries(figures)) {
      if (metric.includes("lost")) assert.equal(count, 0, metric);
      if (metric.includes("back after")) assert.ok(count > 0, metric);
      if (metric.includes("sent")) assert.ok(count > 0, metric);
    }
  });
}
