// SPDX-License-Identifier: Apache-2.0
/**
 * One run: a center as a process of its own (`muster center`, as an operator starts it) on a Store
 * with the fleet registered, pretended gateways in this process on real streams, one rollout from
 * `start` to its end.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Session } from "../../../cli/client.ts";
import { LocalInstallation } from "../../../cli/demo/local-installation.ts";
import { enrolGateway } from "../../../cli/roles/enrol-gateway.ts";
import { centerConnector } from "../../../gateway/uplink/center-client.ts";
import { readIdentity } from "../../../gateway/identity.ts";
import { delay } from "../../../ports/clock.ts";
import { RolloutState, type Rollout } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { systemClock } from "../../../runtime/system-clock.ts";
import { systemRandom } from "../../../runtime/system-random.ts";
import { SeededRandom } from "../../../simulator/swarm/seeded-random.ts";
import { startAsking, type AnswerTimes } from "./asker.ts";
import { DEVICES_PER_GATEWAY, ROLLOUT_SPEC } from "./bench-options.ts";
import { writeFleet } from "./fleet-store.ts";
import { PretendGateway } from "./pretend-gateway.ts";
import {
  databaseBytes,
  readMetric,
  readProcessFacts,
  resetPeak,
  type ProcessFacts,
} from "./process-facts.ts";

export interface RunOptions {
  readonly folder: string;
  readonly deviceCount: number;
  readonly kill: boolean;
  /** The command `muster`; "" = this clone's, from source. */
  readonly launcher: string;
  /** Folder for CPU profiles of the center; "" = none. */
  readonly profile: string;
  /** Says how far it is. */
  readonly say: (text: string) => void;
}

export interface RunResult {
  /** From `plan` to its answer. */
  readonly planSeconds: number;
  /** From `start` to all succeeded. */
  readonly seconds: number;
  readonly reportCount: number;
  /** Of the center's rollout loop, until the end; of one that was killed, since its start. */
  readonly cycleCount: number;
  /** Of the center at the end; its peak is that of the whole run. */
  readonly facts: ProcessFacts;
  /** Of the center, a few times a second while the rollout runs. */
  readonly rssBytes: readonly number[];
  /** Of the center, between start and end of the rollout. */
  readonly cpuSeconds: number;
  /** Of this process meanwhile: the pretended gateways. */
  readonly gatewayCpuSeconds: number;
  /** Handed to `write` for the Store and the EventLog, and what their files hold at the end. */
  readonly storageBytes: number;
  readonly fileBytes: number;
  readonly answers: AnswerTimes;
  /** Of the plan; more or fewer, or any failure, and the bench fails. */
  readonly succeededCount: number;
  /** null = it was not killed. */
  readonly kill: Kill | null;
}

export interface Kill {
  /** Reports that had been sent by then. */
  readonly reportCount: number;
  /** From the kill until every device was connected again. */
  readonly recoverySeconds: number;
}

const NAME = "everybody";
const POLL_MS = 100;
const RSS_PERIOD_MS = 250;
const READY_TIMEOUT_MS = 600_000;

export async function runRollout(options: RunOptions): Promise<RunResult> {
  const { deviceCount, folder, say } = options;
  await using stack = new AsyncDisposableStack();
  const ending = new AbortController();
  say(`${deviceCount} devices: registering them`);
  await writeFleet(join(folder, "center", "store.db"), deviceCount);
  const shell = {
    clock: systemClock,
    random: systemRandom,
    interrupt: { signal: ending.signal, drain: () => undefined },
  };
  const { launcher } = options;
  const command = launcher === "" ? {} : { launcher };
  const installation = new LocalInstallation({ folder, shell, heartbeat: "5s", ...command });
  stack.use(installation);
  const flags = `--cpu-prof --cpu-prof-dir=${options.profile}`;
  const environment = options.profile === "" ? {} : { NODE_OPTIONS: flags };
  await installation.startCenter(environment);
  say(`${deviceCount} devices: connecting them`);
  const gateways = await startGateways(installation, deviceCount, ending.signal);
  stack.defer(async () => {
    ending.abort();
    await gateways.ended;
  });
  await until("every device is connected", () => everyoneIsKnown(installation, gateways.all));
  const { session } = installation;
  const planSeconds = await plan(session);
  say(`${deviceCount} devices: planned in ${planSeconds.toFixed(1)} s`);
  return { ...(await measure(options, installation, gateways.all)), planSeconds };
}

async function plan({ client }: Session): Promise<number> {
  await client.applyRollout({ name: NAME, spec: ROLLOUT_SPEC });
  const startedAtMs = performance.now();
  await client.planRollout({ name: NAME });
  return (performance.now() - startedAtMs) / 1_000;
}

async function measure(
  options: RunOptions,
  installation: LocalInstallation,
  gateways: readonly PretendGateway[],
): Promise<Omit<RunResult, "planSeconds">> {
  const { deviceCount, say } = options;
  const { session } = installation;
  const pid = (): number => Number(installation.center.facts["pid"]);
  const { server, token } = session.connection;
  const asker = startAsking({ server, token: token ?? "", rollout: NAME, devices: deviceCount });
  await resetPeak(pid());
  const before = await readProcessFacts(pid());
  const cycles = (): Promise<number> =>
    readMetric(installation.center.port("adminPort"), "muster_center_loop_cycle_seconds_count");
  const cyclesBefore = await cycles();
  const ownBefore = process.cpuUsage();
  const startedAtMs = performance.now();
  await session.client.startRollout({ name: NAME });
  const kill = options.kill ? await killOnce(options, installation, gateways) : null;
  const rssBytes: number[] = [];
  const sampling = new AbortController();
  const sampled = sampleMemory(pid, rssBytes, sampling.signal);
  const rollout = await ended(session, say);
  sampling.abort();
  await sampled;
  const seconds = (performance.now() - startedAtMs) / 1_000;
  const own = process.cpuUsage(ownBefore);
  const facts = await readProcessFacts(pid());
  const answers = await asker.stop();
  checkCounts(rollout, deviceCount);
  const cycleCount = (await cycles()) - (options.kill ? 0 : cyclesBefore);
  const since = options.kill ? { cpuSeconds: 0, storageBytes: 0 } : before;
  return {
    seconds,
    cycleCount,
    facts,
    answers,
    kill,
    rssBytes,
    succeededCount: rollout.progress?.byState["succeeded"] ?? 0,
    reportCount: gateways.reduce((sum, gateway) => sum + gateway.reportCount, 0),
    cpuSeconds: facts.cpuSeconds - since.cpuSeconds,
    gatewayCpuSeconds: (own.user + own.system) / 1e6,
    storageBytes: facts.storageBytes - since.storageBytes,
    fileBytes: await databaseBytes(join(options.folder, "center")),
  };
}

async function sampleMemory(pid: () => number, into: number[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    into.push((await readProcessFacts(pid())).rssBytes);
    await delay(systemClock, RSS_PERIOD_MS, signal).catch(() => undefined);
  }
}

/** Every planned device succeeded, each was offered and accepted once, nothing failed. */
function checkCounts(rollout: Rollout, deviceCount: number): void {
  const { progress } = rollout;
  assert.equal(rollout.state, RolloutState.SUCCEEDED, rollout.stateReason);
  assert.deepEqual(progress?.byState, { succeeded: deviceCount });
  assert.deepEqual([progress?.exposed, progress?.failures], [deviceCount, 0]);
}

async function ended({ client }: Session, say: (text: string) => void): Promise<Rollout> {
  for (let saidAtMs = performance.now(); ;) {
    const { rollout } = await client.getRollout({ name: NAME });
    assert(rollout !== undefined);
    if (rollout.endedAtMs > 0n) return rollout;
    if (performance.now() - saidAtMs > 2_000) {
      saidAtMs = performance.now();
      say(JSON.stringify(rollout.progress?.byState));
    }
    await delay(systemClock, POLL_MS, new AbortController().signal);
  }
}

/** As by a power cut, at a random moment of the rollout; then another center on its data. */
async function killOnce(
  options: RunOptions,
  installation: LocalInstallation,
  gateways: readonly PretendGateway[],
): Promise<Kill> {
  const { say, deviceCount } = options;
  const share = 0.1 + 0.8 * Math.random();
  const reports = (): number => gateways.reduce((sum, { reportCount }) => sum + reportCount, 0);
  await until("the moment to kill", () => reports() >= share * deviceCount * 3, 5);
  const reportCount = reports();
  say(`killed after ${reportCount} of ${deviceCount * 3} reports`);
  const killedAtMs = performance.now();
  await installation.center.kill();
  await installation.startCenter();
  await until("every device is connected again", () => everyoneIsKnown(installation, gateways));
  return { reportCount, recoverySeconds: (performance.now() - killedAtMs) / 1_000 };
}

async function startGateways(
  installation: LocalInstallation,
  deviceCount: number,
  signal: AbortSignal,
): Promise<{ all: readonly PretendGateway[]; ended: Promise<unknown> }> {
  const count = Math.max(2, Math.ceil(deviceCount / DEVICES_PER_GATEWAY));
  const each = Math.ceil(deviceCount / count);
  const random = new SeededRandom({ seed: "bench", name: "devices" });
  const all: PretendGateway[] = [];
  for (let index = 0; index < count; index++) {
    const id = `gw-${index + 1}`;
    const directory = await enrol(installation, id, signal);
    const identity = await readIdentity({ directory, gatewayId: id, region: "eu" });
    const centerAddress = `localhost:${installation.center.port("linkPort")}`;
    const firstOrdinal = 1 + index * each;
    all.push(
      new PretendGateway({
        id,
        region: "eu",
        connect: centerConnector({ centerAddress, identity, clock: systemClock }),
        firstOrdinal,
        deviceCount: Math.min(each, deviceCount - firstOrdinal + 1),
        clock: systemClock,
        random: () => random.next(),
      }),
    );
  }
  return { all, ended: Promise.all(all.map((gateway) => gateway.run(signal))) };
}

async function enrol(
  installation: LocalInstallation,
  gateway: string,
  signal: AbortSignal,
): Promise<string> {
  const { session } = installation;
  const { token } = await session.client.enrolGateway({
    mutation: session.mutation("bench"),
    region: "eu",
    gateway,
    hosts: ["localhost"],
  });
  const { identityDirectory } = await enrolGateway({
    dataDirectory: installation.at(gateway),
    enrolmentUrl: installation.enrolmentUrl,
    token,
    clock: systemClock,
    signal,
  });
  return identityDirectory;
}

/** Sessions and hellos are sent in order: when the last is taken, all are. */
async function everyoneIsKnown(
  installation: LocalInstallation,
  gateways: readonly PretendGateway[],
): Promise<boolean> {
  if (!gateways.every((gateway) => gateway.isReady)) return false;
  const status = await installation.session.client.getStatus({});
  return status.onlineDevices === gateways.reduce((sum, { deviceCount }) => sum + deviceCount, 0);
}

async function until(
  what: string,
  check: () => Promise<boolean> | boolean,
  pollMs: number = POLL_MS,
): Promise<void> {
  const deadlineMs = performance.now() + READY_TIMEOUT_MS;
  while (!(await check())) {
    assert(performance.now() < deadlineMs, `waited ten minutes in vain until ${what}`);
    await delay(systemClock, pollMs, new AbortController().signal);
  }
}
