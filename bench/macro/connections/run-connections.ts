// SPDX-License-Identifier: Apache-2.0
/** The run: connect everybody, watch them for a while, kill a worker, watch again. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { LocalInstallation } from "../../../cli/demo/local-installation.ts";
import { delay } from "../../../ports/clock.ts";
import { systemClock } from "../../../runtime/system-clock.ts";
import { systemRandom } from "../../../runtime/system-random.ts";
import { startLoad, type Load, type LoadAnswer } from "../gateway/load.ts";
import { writeFleet } from "../rollout/fleet-store.ts";
import { readProcessFacts, type ProcessFacts } from "../rollout/process-facts.ts";

export interface ConnectionsOptions {
  readonly folder: string;
  readonly deviceCount: number;
  readonly workers: number;
  /** How long everybody is watched before the kill. */
  readonly steadyMs: number;
  /** As on the command line: `30s`. */
  readonly heartbeat: string;
  /** The command `muster`. */
  readonly launcher: string;
  readonly say: (text: string) => void;
}

/** Value and unit by what was measured. */
export type Figures = { readonly [metric: string]: readonly [number, string] };

/** Below the 20,000 file descriptors of a process. */
const DEVICES_A_LOAD = 17_000;
const CONNECTS_AT_ONCE = 64;
const KILL_AFTER_MS = 5_000;
const WATCHED_AFTER_KILL_MS = 45_000;
const KNOWN_TIMEOUT_MS = 120_000;
const POLL_MS = 250;

export async function runConnections(options: ConnectionsOptions): Promise<Figures> {
  const { folder, deviceCount, workers, heartbeat, say } = options;
  await using stack = new AsyncDisposableStack();
  const idOf = (ordinal: number): string => `device-${String(ordinal - 1).padStart(5, "0")}`;
  await writeFleet(join(folder, "center", "store.db"), deviceCount, idOf);
  const installation = stack.use(openInstallation(options));
  await installation.startCenter();
  const gateway = await installation.startGateway("gw-1");
  const port = gateway.port("insecureMqttPort");
  const loads: Load[] = [];
  stack.defer(async () => {
    await Promise.all(loads.map((load) => load.stop()));
  });
  for (let first = 0; first < deviceCount; first += DEVICES_A_LOAD) {
    const count = Math.min(DEVICES_A_LOAD, deviceCount - first);
    loads.push(await startLoad({ port, deviceCount: count, firstDevice: first }));
  }
  const everybody = (command: string): Promise<LoadAnswer[]> =>
    Promise.all(loads.map((load) => load.say(command)));

  say(`${deviceCount} devices connect`);
  const pids = await processesOf(installation);
  const connectStartMs = performance.now();
  await everybody(`connect ${CONNECTS_AT_ONCE}`);
  const connectSeconds = (performance.now() - connectStartMs) / 1_000;
  const intervalMs = Number.parseInt(heartbeat, 10) * 1_000;
  await everybody(`beat heartbeat ${intervalMs} 1000`);
  await known(installation, deviceCount);
  const knownSeconds = (performance.now() - connectStartMs) / 1_000;

  say(`all are online after ${knownSeconds.toFixed(0)} s; watched from now on`);
  const before = await factsOf(pids);
  const steady = await everybody(`beat heartbeat ${intervalMs} ${options.steadyMs}`);
  const after = await factsOf(pids);
  assert.equal(
    sum(steady, ({ closed }) => closed),
    0,
    "nobody lost its connection",
  );
  const silent = await closedAsSilent(gateway.port("adminPort"));
  await known(installation, deviceCount);

  say("a worker is killed");
  const watched = everybody(`beat heartbeat ${intervalMs} ${WATCHED_AFTER_KILL_MS}`);
  await delay(systemClock, KILL_AFTER_MS, new AbortController().signal);
  process.kill(pids.workers.at(-1) ?? 0, "SIGKILL");
  const back = await watched;
  await known(installation, deviceCount);
  const seconds = options.steadyMs / 1_000;
  const cores = (name: "gateway" | "center"): number =>
    (after[name].cpuSeconds - before[name].cpuSeconds) / seconds;
  return {
    "connected after": [connectSeconds, "s"],
    "online in the center after": [knownSeconds, "s"],
    "watched for": [seconds, "s"],
    heartbeats: [sum(steady, ({ acknowledged }) => acknowledged), "messages"],
    "heartbeats, p99 of the slowest generator": [
      Math.max(...steady.map(({ p99Ms }) => p99Ms)),
      "ms",
    ],
    "connections lost": [0, "devices"],
    "taken for silent": [silent, "devices"],
    "gateway RSS, all workers": [after.gateway.rssBytes, "bytes"],
    "gateway CPU while watched": [cores("gateway"), "cores"],
    "center RSS": [after.center.rssBytes, "bytes"],
    "center CPU while watched": [cores("center"), "cores"],
    "devices of the killed worker": [sum(back, ({ closed }) => closed), "devices"],
    "99 % of them back after": [Math.max(...back.map(({ back99Ms }) => back99Ms)) / 1_000, "s"],
    "all of them back after": [Math.max(...back.map(({ backAllMs }) => backAllMs)) / 1_000, "s"],
    workers: [workers, "processes"],
  };
}

function openInstallation(options: ConnectionsOptions): LocalInstallation {
  const { folder, launcher, workers, heartbeat } = options;
  const interrupt = { signal: new AbortController().signal, drain: () => undefined };
  return new LocalInstallation({
    folder,
    launcher,
    shell: { clock: systemClock, random: systemRandom, interrupt },
    heartbeat,
    gatewayFlags: { workers, "insecure-mqtt-port": 0, "max-connections": 19_500 },
  });
}

interface Processes {
  readonly center: number;
  readonly parent: number;
  readonly workers: readonly number[];
}

async function processesOf(installation: LocalInstallation): Promise<Processes> {
  const parent = Number(installation.gateways.get("gw-1")?.facts["pid"]);
  const children = await readFile(`/proc/${parent}/task/${parent}/children`, "utf8");
  const workers = children.trim().split(" ").map(Number);
  return { center: Number(installation.center.facts["pid"]), parent, workers };
}

interface Facts {
  readonly center: ProcessFacts;
  /** Parent and workers together. */
  readonly gateway: Pick<ProcessFacts, "rssBytes" | "cpuSeconds">;
}

async function factsOf({ center, parent, workers }: Processes): Promise<Facts> {
  const ofGateway = await Promise.all([parent, ...workers].map(readProcessFacts));
  return {
    center: await readProcessFacts(center),
    gateway: {
      rssBytes: sum(ofGateway, ({ rssBytes }) => rssBytes),
      cpuSeconds: sum(ofGateway, ({ cpuSeconds }) => cpuSeconds),
    },
  };
}

/** Resolves when the center has every device online. */
async function known({ session }: LocalInstallation, deviceCount: number): Promise<void> {
  const deadlineMs = performance.now() + KNOWN_TIMEOUT_MS;
  for (;;) {
    const { gateways } = await session.client.listGateways({});
    const connected = sum(
      gateways.filter(({ online }) => online),
      ({ connectedDevices }) => connectedDevices,
    );
    if (connected === deviceCount) return;
    assert(performance.now() < deadlineMs, `${connected} of ${deviceCount} devices are online`);
    await delay(systemClock, POLL_MS, new AbortController().signal);
  }
}

async function closedAsSilent(adminPort: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
  const count = /^muster_gateway_closes_total\{cause="silent"\} (\d+)/m.exec(text)?.[1];
  return Number(count ?? 0);
}

function sum<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
