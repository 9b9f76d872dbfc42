// SPDX-License-Identifier: Apache-2.0
/**
 * One run of one server, a process of its own: connect, be idle, messages at full rate, a command
 * to everybody, reports. CPU time is the server's own, of all its threads, as the kernel counts it.
 */
import { delay } from "../../../ports/clock.ts";
import { systemClock } from "../../../runtime/system-clock.ts";
import { readProcessFacts, type ProcessFacts } from "../rollout/process-facts.ts";
import { startLoad, type Load, type LoadAnswer } from "./load.ts";
import type { Server, ServerKind, ServerOptions } from "./server.ts";

/** Messages at full rate that are under way: each arrives alone, as devices send. */
const IN_FLIGHT = 256;
/** Reports are acknowledged only when the center has them: all of these wait at once. */
const REPORTS_IN_FLIGHT_MAX = 12_000;
const REPORTS_IN_FLIGHT_A_DEVICE = 8;
/** Below it a server waited for its load, and the run does not count. */
export const FULL_CORE = 0.9;
/** Connections that are being made at once; Debian's mosquitto queues a hundred. */
const CONNECT_WINDOW = 64;
const PUSHES = 3;
const PUSH_TIMEOUT_MS = 20_000;
const ATTEMPTS = 3;
const QUIET_CHECK_MS = 250;
const QUIET_CPU_SECONDS = 0.02;

export interface FlowResult {
  readonly acknowledged: number;
  /** A second of the server's CPU time. */
  readonly perCpuSecond: number;
  readonly perSecond: number;
  readonly coresUsed: number;
  /** By the load. */
  readonly loadCores: number;
  readonly p99Ms: number;
}

export interface RunResult {
  readonly baseBytes: number;
  readonly connectCpuUs: number;
  /** Of the whole process with all devices connected, subscribed and greeted, and idle. */
  readonly idleBytes: number;
  /** The same after the messages. */
  readonly afterBytes: number;
  readonly heartbeats: FlowResult;
  readonly telemetry: FlowResult;
  /** null where nobody stores them. */
  readonly reports: FlowResult | null;
  /** A command, from its start to the last device, ms; null where nothing can be pushed. */
  readonly lastInformedMs: number | null;
}

export interface RunOptions extends ServerOptions {
  readonly flowMs: number;
}

export async function measureRun(kind: ServerKind, options: RunOptions): Promise<RunResult> {
  await using server = await kind.start(options);
  const { deviceCount, flowMs } = options;
  const { port } = server;
  const load = await startLoad({ port, deviceCount });
  await using _ = { [Symbol.asyncDispose]: () => load.stop() };
  const base = await quiet(server);
  await load.say(`connect ${CONNECT_WINDOW}`);
  await server.settled();
  const connected = await quiet(server);
  await load.say(`subscribe ${IN_FLIGHT}`);
  await load.say("rounds hello 1");
  const idle = await quiet(server);
  // Not measured: the compiler of a server that has one must have seen what comes.
  await load.say(`publish heartbeat ${IN_FLIGHT} ${flowMs}`);
  const flow = (channel: string, inFlight = IN_FLIGHT): Promise<FlowResult> =>
    countedFlow(server, load, `publish ${channel} ${inFlight} ${flowMs}`);
  const heartbeats = await flow("heartbeat");
  const telemetry = await flow("log");
  const after = await quiet(server);
  const lastInformedMs = await push(server, load, deviceCount);
  const { storedReports } = server;
  const waiting = Math.min(REPORTS_IN_FLIGHT_MAX, deviceCount * REPORTS_IN_FLIGHT_A_DEVICE);
  const flowOfReports = (): Promise<FlowResult> => flow("report", waiting);
  const reports = storedReports === null ? null : await storedFlow(storedReports, flowOfReports);
  return {
    baseBytes: base.rssBytes,
    connectCpuUs: ((connected.cpuSeconds - base.cpuSeconds) / deviceCount) * 1e6,
    idleBytes: idle.rssBytes,
    afterBytes: after.rssBytes,
    heartbeats,
    telemetry,
    reports,
    lastInformedMs,
  };
}

/** The facts once the server has nothing more to do. */
export async function quiet(server: Pick<Server, "pid">): Promise<ProcessFacts> {
  for (let before = await readProcessFacts(server.pid); ;) {
    await delay(systemClock, QUIET_CHECK_MS, new AbortController().signal);
    const now = await readProcessFacts(server.pid);
    if (now.cpuSeconds - before.cpuSeconds < QUIET_CPU_SECONDS) return now;
    before = now;
  }
}

/** Repeated while the server waited for its load: then it was somebody else who had the core. */
async function countedFlow(server: Server, load: Load, command: string): Promise<FlowResult> {
  for (let attempt = 1; ; attempt += 1) {
    const before = await readProcessFacts(server.pid);
    const answer = await load.say(command);
    const after = await readProcessFacts(server.pid);
    const result = flowResult(answer, after.cpuSeconds - before.cpuSeconds);
    if (result.coresUsed >= FULL_CORE || attempt === ATTEMPTS) return result;
  }
}

function flowResult(answer: LoadAnswer, cpuSeconds: number): FlowResult {
  const { acknowledged, seconds, p99Ms } = answer;
  return {
    acknowledged,
    perCpuSecond: acknowledged / cpuSeconds,
    perSecond: acknowledged / seconds,
    coresUsed: cpuSeconds / seconds,
    loadCores: answer.cpuSeconds / seconds,
    p99Ms,
  };
}

/** What was acknowledged is stored, or the bench fails. */
async function storedFlow(
  stored: () => Promise<number>,
  flow: () => Promise<FlowResult>,
): Promise<FlowResult> {
  const before = await stored();
  const result = await flow();
  const count = (await stored()) - before;
  if (count >= result.acknowledged) return result;
  throw new Error(`${result.acknowledged} reports were acknowledged and ${count} are stored`);
}

async function push(server: Server, load: Load, deviceCount: number): Promise<number | null> {
  if (server.push === null) return null;
  const timesMs: number[] = [];
  for (let round = 0; round < PUSHES; round += 1) {
    const awaiting = load.say(`await ${deviceCount} ${PUSH_TIMEOUT_MS}`);
    const startNs = await server.push();
    const { lastNs, received } = await awaiting;
    if (received !== deviceCount) {
      throw new Error(`a command reached ${received} of ${deviceCount} devices`);
    }
    timesMs.push(Number(lastNs - startNs) / 1e6);
    await quiet(server);
  }
  return timesMs.toSorted((one, other) => one - other)[Math.floor(PUSHES / 2)] ?? NaN;
}
