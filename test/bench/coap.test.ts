// SPDX-License-Identifier: Apache-2.0
/** The bench of devices over CoAP with OSCORE, small: imported, heard, and missed when silent. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { buildLoad } from "../../bench/macro/coap/load.ts";
import { runCoap } from "../../bench/macro/coap/run-coap.ts";
import { tempDir } from "../helpers/temp-dir.ts";

const SIZE = { deviceCount: 60, silentCount: 6, intervalMs: 1_000 };

for (const isConfirmable of [true, false]) {
  const kind = isConfirmable ? "confirmable" : "unanswered";
  test(`the silent ones among devices with ${kind} heartbeats are found`, async (context) => {
    if ((await buildLoad()) === null) return context.skip("there is no C compiler, or no OpenSSL");
    await using folder = await tempDir("bench-coap");
    const options = { ...SIZE, isConfirmable, folder: folder.path, profile: "", say: () => {} };
    const result = await runCoap(options);
    const valueOf = (metric: string): number => result[metric]?.[0] ?? Number.NaN;
    const { deviceCount, silentCount, intervalMs } = SIZE;
    assert.deepEqual([valueOf("found silent"), valueOf("false reports")], [silentCount, 0]);
    assert.ok(valueOf("heartbeats") >= deviceCount);
    assert.equal(valueOf("heartbeats answered"), isConfirmable ? valueOf("heartbeats") : 0);
    assert.equal(valueOf("refused or unverified"), 0);
    assert.ok(valueOf("first found after") * 1_000 >= intervalMs * 3);
  });
}
