// SPDX-License-Identifier: Apache-2.0
/**
 * `npm run bench coap [-- --quick | --devices N --silent N --heartbeat 60s --unanswered
 * --profile DIR]`: devices over CoAP with OSCORE at one gateway process, imported with their keys
 * into a real center, every datagram authenticated. Some fall silent and must be found within three
 * intervals and 2 s, and nobody else reported: the bench fails otherwise.
 *
 * There is no peer: what is printed is memory, CPU and time of the gateway.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { printFigure } from "../bench-line.ts";
import { runCoap } from "./coap/run-coap.ts";
import { buildMuster } from "./gateway/tools.ts";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    devices: { type: "string" },
    silent: { type: "string" },
    heartbeat: { type: "string" },
    unanswered: { type: "boolean", default: false },
    profile: { type: "string", default: "" },
  },
});
const { quick, profile } = values;
const deviceCount = Number(values.devices ?? (quick ? 10_000 : 1_000_000));
const silentCount = Number(values.silent ?? deviceCount / 100);
const heartbeatSeconds = Number.parseInt(values.heartbeat ?? (quick ? "5s" : "60s"), 10);
const intervalMs = heartbeatSeconds * 1_000;
const isConfirmable = !values.unanswered;

const folder = await mkdtemp(join(tmpdir(), "muster-bench-coap-"));
try {
  const say = (text: string): void =>
    console.error(`${(performance.now() / 1_000).toFixed(0)} s: ${text}`);
  const launcher = await buildMuster(join(folder, "published"));
  const size = { deviceCount, silentCount, intervalMs, isConfirmable };
  const result = await runCoap({ ...size, folder, launcher, profile, say });
  const devices = deviceCount.toLocaleString("en-US");
  const kind = isConfirmable ? "a confirmable" : "an unanswered";
  const base = `${devices} devices, OSCORE, ${kind} heartbeat each ${heartbeatSeconds}s`;
  for (const [metric, [value, unit]] of Object.entries(result)) {
    printFigure({ bench: "coap", case: base, metric, value, unit });
  }
  const valueOf = (metric: string): number => result[metric]?.[0] ?? Number.NaN;
  assert.deepEqual([valueOf("found silent"), valueOf("false reports")], [silentCount, 0]);
  assert.ok(valueOf("last found after") <= valueOf("to be found within"));
} finally {
  await rm(folder, { recursive: true, force: true });
}
