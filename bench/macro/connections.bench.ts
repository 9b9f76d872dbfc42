// SPDX-License-Identifier: Apache-2.0
/**
 * `npm run bench connections [-- --quick | --devices N --workers N --minutes M --heartbeat 30s]`:
 * how many real MQTT connections one gateway of several workers holds on this machine: all online
 * in a real center, heartbeats for some minutes, nobody taken for silent; then one worker is killed
 * and its devices come back. Plain listener, generators in C, 17,000 devices each.
 *
 * There is no peer: what is printed is time, memory and CPU of the whole installation.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { printFigure } from "../bench-line.ts";
import { buildMuster } from "./gateway/tools.ts";
import { runConnections } from "./connections/run-connections.ts";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    devices: { type: "string" },
    workers: { type: "string" },
    minutes: { type: "string" },
    heartbeat: { type: "string", default: "30s" },
  },
});
const { quick, heartbeat } = values;
const deviceCount = Number(values.devices ?? (quick ? 2_000 : 100_000));
const workers = Number(values.workers ?? (quick ? 2 : 8));
const steadyMs = Number(values.minutes ?? (quick ? 0.5 : 5)) * 60_000;

const folder = await mkdtemp(join(tmpdir(), "muster-bench-connections-"));
try {
  const say = (text: string): void => console.error(text);
  const launcher = await buildMuster(join(folder, "published"));
  const size = { deviceCount, workers, steadyMs, heartbeat };
  const result = await runConnections({ ...size, folder, launcher, say });
  const devices = deviceCount.toLocaleString("en-US");
  const base = `${devices} connections, ${workers} workers, a heartbeat each ${heartbeat}`;
  for (const [metric, [value, unit]] of Object.entries(result)) {
    printFigure({ bench: "connections", case: base, metric, value, unit });
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
