// SPDX-License-Identifier: Apache-2.0
/**
 * `npm run bench silence [-- --quick | --devices N --silent N]`: presence under full load, with the
 * default settings (a heartbeat each 5 s, three missed, 2 s to find out). All but some devices send
 * heartbeats as fast as the gateway takes them; the others' process is stopped, so that their
 * connections stay open and say nothing. When each was found is what the gateway wrote; the bench
 * fails when one was found early, late or wrongly.
 */
import assert from "node:assert/strict";
import { readFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { LocalInstallation } from "../../cli/demo/local-installation.ts";
import { systemClock } from "../../runtime/system-clock.ts";
import { systemRandom } from "../../runtime/system-random.ts";
import { printFigure } from "../bench-line.ts";
import { startLoad } from "./gateway/load.ts";
import { buildMuster } from "./gateway/tools.ts";
import { readProcessFacts } from "./rollout/process-facts.ts";
import { writeFleet } from "./rollout/fleet-store.ts";

const HEARTBEAT_MS = 5_000;
/** Three missed heartbeats, and the time to find out. */
const [LEAST_MS, MOST_MS] = [15_000, 17_000];
const LOADED_MS = 25_000;
const IN_FLIGHT = 256;
const CONNECTS_AT_ONCE = 64;

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    devices: { type: "string" },
    silent: { type: "string" },
  },
});
const deviceCount = Number(values.devices ?? (values.quick ? 1_000 : 10_000));
const silentCount = Number(values.silent ?? deviceCount / 20);
const livelyCount = deviceCount - silentCount;

const folder = await mkdtemp(join(tmpdir(), "muster-bench-silence-"));
await using stack = new AsyncDisposableStack();
stack.defer(() => rm(folder, { recursive: true, force: true }));
const idOf = (ordinal: number): string => `device-${String(ordinal - 1).padStart(5, "0")}`;
await writeFleet(join(folder, "center", "store.db"), deviceCount, idOf);
const interrupt = { signal: new AbortController().signal, drain: () => undefined };
const installation = stack.use(
  new LocalInstallation({
    folder,
    launcher: await buildMuster(join(folder, "published")),
    shell: { clock: systemClock, random: systemRandom, interrupt },
    heartbeat: `${HEARTBEAT_MS}ms`,
    logLevel: "debug",
    gatewayFlags: { "insecure-mqtt-port": 0 },
  }),
);
await installation.startCenter();
const gateway = await installation.startGateway("gw-1");
const port = gateway.port("insecureMqttPort");
const lively = await startLoad({ port, deviceCount: livelyCount });
stack.defer(() => lively.stop());
const silent = await startLoad({ port, deviceCount: silentCount, firstDevice: livelyCount });
stack.defer(() => silent.stop());
await Promise.all([lively, silent].map((load) => load.say(`connect ${CONNECTS_AT_ONCE}`)));
console.error(`${deviceCount} devices are connected; ${silentCount} will fall silent`);
await silent.say("rounds heartbeat 1");
silent.pause();
const pid = Number(gateway.facts["pid"]);
const before = await readProcessFacts(pid);
const answer = await lively.say(`publish heartbeat ${IN_FLIGHT} ${LOADED_MS}`);
const after = await readProcessFacts(pid);
const found = await silencesOf(join(folder, "gw-1.log"));
const isLively = (device: string): boolean =>
  Number(device.slice(device.indexOf("-") + 1)) < livelyCount;
const wrong = found.filter(({ device }) => isLively(device)).length;
const times = found.filter(({ device }) => !isLively(device)).map(({ silentMs }) => silentMs);

const base = `${deviceCount.toLocaleString("en-US")} devices, ${silentCount} fall silent`;
const print = (metric: string, value: number, unit: string): void =>
  printFigure({ bench: "silence", case: base, metric, value, unit });
print("heartbeats by the clock", answer.acknowledged / answer.seconds, "1/s");
print("gateway, cores used", (after.cpuSeconds - before.cpuSeconds) / answer.seconds, "cores");
print("found silent", times.length, "devices");
print("found wrongly", wrong, "devices");
print("first found after", Math.min(...times) / 1_000, "s");
print("last found after", Math.max(...times) / 1_000, "s");
assert.deepEqual([times.length, wrong], [silentCount, 0]);
assert.ok(times.every((silentMs) => silentMs >= LEAST_MS && silentMs <= MOST_MS));

interface Silence {
  readonly device: string;
  /** From its last packet to the verdict. */
  readonly silentMs: number;
}

async function silencesOf(logFile: string): Promise<Silence[]> {
  const lines = (await readFile(logFile, "utf8")).split("\n");
  return lines
    .filter((line) => line.includes("a device fell silent"))
    .map((line) => JSON.parse(line) as Silence);
}
