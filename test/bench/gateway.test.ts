// SPDX-License-Identifier: Apache-2.0
/** The bench of gateways, small: every server answers everything, and ours stores every report. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { measureRun } from "../../bench/macro/gateway/measure.ts";
import { muster } from "../../bench/macro/gateway/muster-server.ts";
import { PEERS } from "../../bench/macro/gateway/peers.ts";
import type { ServerKind } from "../../bench/macro/gateway/server.ts";
import { build } from "../../bench/macro/gateway/tools.ts";
import { tempDir } from "../helpers/temp-dir.ts";

const DEVICES = 40;

/** aedes is left to the bench itself: it is installed at its first run. */
const kinds = [muster, ...PEERS].filter(({ name }) => name !== "aedes");

for (const kind of kinds) {
  test(`${kind.name} answers the load of the bench`, async (context) => {
    if (await isMissing(context, kind)) return;
    await using folder = await tempDir("bench-gateway");
    const options = { folder: folder.path, deviceCount: DEVICES, program: "", profile: "" };
    const result = await measureRun(kind, { ...options, flowMs: 100 });
    const { baseBytes, idleBytes, heartbeats, telemetry, reports, lastInformedMs } = result;
    assert.ok(baseBytes > 0 && idleBytes > 0);
    assert.ok(heartbeats.acknowledged >= DEVICES && telemetry.acknowledged >= DEVICES);
    assert.equal(reports !== null, kind === muster);
    assert.ok(reports === null || reports.acknowledged >= DEVICES);
    assert.ok(lastInformedMs === null || lastInformedMs > 0);
    assert.ok(lastInformedMs !== null || !["muster", "mosquitto"].includes(kind.name));
  });
}

async function isMissing(context: TestContext, kind: ServerKind): Promise<boolean> {
  const missing =
    (await build("load/load.c")) === null
      ? "there is no C compiler for the load"
      : await kind.prepare();
  if (missing !== null) context.skip(missing);
  return missing !== null;
}
