// SPDX-License-Identifier: Apache-2.0
/**
 * The run: import the devices with their keys as an operator does, let them say hello, measure an
 * interval of heartbeats, then let some of them fall silent, and see who is found, and when.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { LocalInstallation } from "../../../cli/demo/local-installation.ts";
import { delay } from "../../../ports/clock.ts";
import { systemClock } from "../../../runtime/system-clock.ts";
import { systemRandom } from "../../../runtime/system-random.ts";
import { readProcessFacts, type ProcessFacts } from "../rollout/process-facts.ts";
import { deviceId, writeDeviceFile } from "./device-file.ts";
import { startLoad, type Load, type LoadAnswer } from "./load.ts";

const run = promisify(execFile);

export interface CoapOptions {
  readonly folder: string;
  readonly deviceCount: number;
  readonly silentCount: number;
  readonly intervalMs: number;
  /** Heartbeats are confirmable, and each is answered; else success is not told. */
  readonly isConfirmable: boolean;
  /** The command `muster`; default: the one of this clone. */
  readonly launcher?: string;
  /** Where to write a CPU profile of the gateway; "" = none. */
  readonly profile: string;
  readonly say: (text: string) => void;
}

/** Value and unit by what was measured. */
export type Figures = { readonly [metric: string]: readonly [number, string] };

const SOURCE_LAUNCHER = fileURLToPath(new URL("../../../bin/muster.js", import.meta.url));
/**
 * Hellos under way at once: a quarter of a second's, so that those who have a session and send
 * heartbeats meanwhile find room in the socket.
 */
const HELLO_WINDOW = 600;
const MISSES = 3;
/** How long after its limit a silence may be found. */
const DETECTION_MS = 2_000;
/** For the last of the silent ones, and the center to hear of it. */
const SPARE_MS = 3_000;
const KNOWN_TIMEOUT_MS = 100_000;
const POLL_MS = 250;

export async function runCoap(options: CoapOptions): Promise<Figures> {
  const { folder, deviceCount, silentCount, intervalMs, isConfirmable, say } = options;
  await using stack = new AsyncDisposableStack();
  const installation = stack.use(openInstallation(options));
  const file = join(folder, "devices.csv");
  await writeDeviceFile(file, deviceCount);
  await installation.startCenter();
  say(`importing ${deviceCount} devices with their keys`);
  const importSeconds = await timed(() => importDevices(options, installation, file));
  const environment = { NODE_OPTIONS: profileFlags(options.profile) };
  const gateway = await installation.startGateway("gw-1", environment);
  const pid = Number(gateway.facts["pid"]);
  const base = await readProcessFacts(pid);
  const load = await startLoad({ port: gateway.port("coapPort"), file });
  stack.defer(() => load.stop());

  say("everybody says hello");
  const hello = await load.say(`hello ${HELLO_WINDOW} ${intervalMs}`);
  const answered = isConfirmable ? 1 : 0;
  const beat = (ms: number, silent: number): string =>
    `beat ${intervalMs} ${ms} ${answered} ${silent}`;
  say("everybody sends heartbeats");
  const [steady] = await Promise.all([
    measured(pid, load, beat(intervalMs, 0)),
    known(installation, deviceCount),
  ]);
  say(`${silentCount} devices fall silent`);
  const watchedMs = intervalMs * MISSES + DETECTION_MS + SPARE_MS;
  const watched = await measured(pid, load, beat(watchedMs, silentCount));
  await load.say(`last ${join(folder, "last")}`);
  const found = await silencesOf(folder);
  // The others go on, or they were silent too by the time at which the center has heard of all.
  await Promise.all([
    load.say(beat(intervalMs, silentCount)),
    known(installation, deviceCount - silentCount),
  ]);
  const perDevice = (facts: ProcessFacts): number => (facts.rssBytes - base.rssBytes) / deviceCount;
  return {
    "imported after": [importSeconds, "s"],
    "all with a session after": [hello.seconds, "s"],
    "gateway RSS before the first device": [base.rssBytes, "bytes"],
    "gateway RSS with all devices": [watched.after.rssBytes, "bytes"],
    "memory per device": [perDevice(watched.after), "bytes"],
    ...heartbeatFigures(steady, watched),
    "found silent": [found.rightMs.length, "devices"],
    "false reports": [found.wrong, "devices"],
    "first found after": [Math.min(...found.rightMs) / 1_000, "s"],
    "last found after": [Math.max(...found.rightMs) / 1_000, "s"],
    "to be found within": [(intervalMs * MISSES + DETECTION_MS) / 1_000, "s"],
  };
}

interface Measured {
  readonly answer: LoadAnswer;
  readonly cores: number;
  readonly after: ProcessFacts;
}

async function measured(pid: number, load: Load, command: string): Promise<Measured> {
  const before = await readProcessFacts(pid);
  const answer = await load.say(command);
  const after = await readProcessFacts(pid);
  return { answer, after, cores: (after.cpuSeconds - before.cpuSeconds) / answer.seconds };
}

function heartbeatFigures(steady: Measured, watched: Measured): Figures {
  const sum = (of: (answer: LoadAnswer) => number): number =>
    of(steady.answer) + of(watched.answer);
  const seconds = sum(({ seconds: one }) => one);
  return {
    heartbeats: [sum(({ sent }) => sent), "messages"],
    "heartbeats a second": [sum(({ sent }) => sent) / seconds, "1/s"],
    "heartbeats answered": [sum(({ acknowledged }) => acknowledged), "messages"],
    "datagrams sent again": [sum(({ repeated }) => repeated), "messages"],
    "acknowledgements lost": [sum(({ lost, unanswered }) => lost + unanswered), "messages"],
    "refused or unverified": [sum(({ refused, unverified }) => refused + unverified), "messages"],
    "answered, p50": [watched.answer.p50Ms, "ms"],
    "answered, p99": [watched.answer.p99Ms, "ms"],
    "gateway CPU, all send heartbeats": [steady.cores, "cores"],
    "gateway CPU while the silent are found": [watched.cores, "cores"],
    "load CPU": [watched.answer.cpuSeconds / watched.answer.seconds, "cores"],
  };
}

function openInstallation(options: CoapOptions): LocalInstallation {
  const { folder, launcher = SOURCE_LAUNCHER, deviceCount, intervalMs } = options;
  const interrupt = { signal: new AbortController().signal, drain: () => undefined };
  return new LocalInstallation({
    folder,
    launcher,
    shell: { clock: systemClock, random: systemRandom, interrupt },
    heartbeat: `${intervalMs}ms`,
    logLevel: "debug",
    gatewayFlags: { "coap-port": 0, "max-connections": deviceCount },
  });
}

function profileFlags(folder: string): string | undefined {
  return folder === "" ? undefined : `--cpu-prof --cpu-prof-dir=${folder}`;
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startMs = performance.now();
  await work();
  return (performance.now() - startMs) / 1_000;
}

/** `muster device import`, as an operator calls it. */
async function importDevices(
  { launcher = SOURCE_LAUNCHER }: CoapOptions,
  installation: LocalInstallation,
  file: string,
): Promise<void> {
  const server = `http://127.0.0.1:${installation.center.port("apiPort")}`;
  const tokenFile = installation.at("center/operator/token");
  const words = ["device", "import", file, "--server", server, "--token-file", tokenFile];
  await run(process.execPath, [launcher, ...words]);
}

/** Resolves when the center has so many devices online. */
async function known({ session }: LocalInstallation, deviceCount: number): Promise<void> {
  const deadlineMs = performance.now() + KNOWN_TIMEOUT_MS;
  for (;;) {
    const { gateways } = await session.client.listGateways({});
    const connected = gateways[0]?.connectedDevices ?? 0;
    if (connected === deviceCount) return;
    assert(performance.now() < deadlineMs, `${connected} of ${deviceCount} devices are online`);
    await delay(systemClock, POLL_MS, new AbortController().signal);
  }
}

interface Found {
  /** From the last datagram that the device sent to the gateway's verdict. */
  readonly rightMs: readonly number[];
  /** Verdicts over devices that were not silent. */
  readonly wrong: number;
}

/** By two witnesses: the load says when each device sent last, the gateway when it found it. */
async function silencesOf(folder: string): Promise<Found> {
  const lastMs = new Map<string, number>();
  for (const line of (await readFile(join(folder, "last"), "utf8")).trim().split("\n")) {
    const [index, ms] = line.split(" ").map(Number);
    lastMs.set(`default/${deviceId(index ?? 0)}`, ms ?? 0);
  }
  const rightMs: number[] = [];
  let wrong = 0;
  for (const line of (await readFile(join(folder, "gw-1.log"), "utf8")).split("\n")) {
    if (!line.includes("a device fell silent")) continue;
    const { device, time } = JSON.parse(line) as { device: string; time: number | string };
    const sentMs = lastMs.get(device);
    if (sentMs === undefined) wrong += 1;
    else rightMs.push(new Date(time).getTime() - sentMs);
    lastMs.delete(device);
  }
  return { rightMs, wrong };
}
