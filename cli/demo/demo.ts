// SPDX-License-Identifier: Apache-2.0
/**
 * The demo: a center, two gateways, three real agents and a thousand pretended devices on this
 * machine, and three acts: a good release reaches everyone; one that fails on a hardware revision
 * is stopped and put back; a gateway is killed and its devices carry on through the other.
 */
import { MusterError } from "../../domain/errors.ts";
import { delay } from "../../ports/clock.ts";
import { SILENT_LOGGER } from "../../ports/logger.ts";
import type { Rollout } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { startSwarm, type RunningSwarm } from "../../simulator/swarm/swarm.ts";
import type { Progress } from "../progress/progress.ts";
import type { Shell } from "../shell.ts";
import { hasReachedAll } from "../views/stop-reach.ts";
import { playAct, type ActPlan, type DeviceTruth } from "./act.ts";
import { readAgentDisk } from "./agent-disk.ts";
import { publishDemoRelease } from "./demo-release.ts";
import { actHolds, type ActResult, type AgentResult, type DemoResult } from "./demo-result.ts";
import { LocalInstallation } from "./local-installation.ts";

const AGENTS = [
  { id: "real-1", inventory: { hwRevision: "rev-a" } },
  { id: "real-2", inventory: { hwRevision: "rev-a" } },
  { id: "real-3", inventory: { hwRevision: "rev-b" } },
];
/** The hardware revision on which the release of the second act fails. */
const BAD_REVISION = "rev-b";
const HEARTBEAT = { text: "2s", ms: 2_000 };
const BATCH = 1_000;
/** How long a hesitant device looks at an offer; in act 2, until the stop takes it back. */
const AT_ONCE = { considerMs: [0, 0] } as const;
const UNTIL_THE_STOP = { considerMs: [20_000, 20_000] } as const;
const CONNECT_TIMEOUT_MS = 90_000;
const POLL_MS = 100;
const SEED = 20_261;
/** The third act loses a gateway when so many devices of a hundred have the release. */
const KILL_AT_PERCENT = 15;

export interface DemoOptions {
  readonly shell: Shell;
  readonly deviceCount: number;
  /** Everything lies here. */
  readonly folder: string;
  readonly progress: Progress;
}

/** A demo that has been played; it keeps running until it is disposed. */
export interface PlayedDemo extends AsyncDisposable {
  readonly result: DemoResult;
  readonly installation: LocalInstallation;
}

export async function playDemo(options: DemoOptions): Promise<PlayedDemo> {
  await using stack = new AsyncDisposableStack();
  const { shell, folder, progress } = options;
  const installation = stack.use(
    new LocalInstallation({ folder, shell, heartbeat: HEARTBEAT.text }),
  );
  progress.line("Starting a center and two gateways, each a process of its own.");
  await installation.startCenter();
  await Promise.all(["gw-1", "gw-2"].map((id) => installation.startGateway(id)));
  progress.line("Starting three real agents: real-1 and real-2 (rev-a), real-3 (rev-b).");
  await Promise.all(AGENTS.map((agent) => installation.startAgent(agent)));
  const swarm = await enrolSwarm(options, installation);
  stack.defer(() => swarm.stop());
  const enrolled = await waitForAll(options, installation);
  const stage = new Stage(options, installation, swarm);
  const acts = [await stage.good(), await stage.bad(), await stage.gatewayLost()];
  const agents = stage.agentResults();
  const [first, second, third] = acts;
  const deviceCount = options.deviceCount + AGENTS.length;
  const ok =
    enrolled === deviceCount &&
    acts.every(actHolds) &&
    first?.succeeded === deviceCount &&
    second?.halted === true &&
    second.succeeded === 0 &&
    second.stop !== null &&
    hasReachedAll(second.stop) &&
    third?.succeeded === deviceCount;
  const kept = stack.move();
  return {
    result: { devices: deviceCount, enrolled, acts, agents, ok },
    installation,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Registers and enrols the pretended devices; they connect in the background. */
async function enrolSwarm(
  options: DemoOptions,
  installation: LocalInstallation,
): Promise<RunningSwarm> {
  const { deviceCount, shell, progress } = options;
  const { session } = installation;
  const { client, call } = session;
  const ids = Array.from(
    { length: deviceCount },
    (_, index) => `sim-${String(index + 1).padStart(6, "0")}`,
  );
  const bar = progress.bar("enrol", deviceCount);
  const tokens: string[] = [];
  for (let start = 0; start < ids.length; start += BATCH) {
    const batch = ids.slice(start, start + BATCH);
    const devices = batch.map((id) => ({ id, region: "local", labels: { kind: "simulated" } }));
    await client.registerDevices({ mutation: session.mutation("demo"), devices }, call);
    const enrolment = { mutation: session.mutation("demo"), devices: batch };
    tokens.push(...(await client.enrolDevices(enrolment, call)).tokens);
  }
  const swarm = await startSwarm({
    deviceCount,
    seed: SEED,
    behaviours: { good: 72, hesitant: 12, slow: 4, flaky: 4, "bad-hardware": 8 },
    pace: AT_ONCE,
    enrolmentUrl: installation.enrolmentUrl,
    tokens,
    dataDirectory: installation.at("swarm"),
    heartbeatIntervalMs: HEARTBEAT.ms,
    clock: shell.clock,
    random: shell.random,
    logger: SILENT_LOGGER,
    signal: shell.interrupt.signal,
    onEnrolled: (count) => bar.update(count),
  });
  bar.finish();
  return swarm;
}

/** Waits until every device is connected; the answer is how many are. */
async function waitForAll(options: DemoOptions, installation: LocalInstallation): Promise<number> {
  const { clock, interrupt } = options.shell;
  const wanted = options.deviceCount + AGENTS.length;
  const bar = options.progress.bar("connected", wanted);
  const deadlineMs = clock.monotonicMs() + CONNECT_TIMEOUT_MS;
  for (;;) {
    const status = await installation.session.client.getStatus({}, installation.session.call);
    bar.update(status.onlineDevices);
    if (status.onlineDevices >= wanted || clock.monotonicMs() > deadlineMs) {
      bar.finish();
      return status.onlineDevices;
    }
    await delay(clock, POLL_MS, interrupt.signal);
  }
}

/** Plays the acts and keeps what the agents' disks said after each. */
class Stage {
  private readonly options: DemoOptions;
  private readonly installation: LocalInstallation;
  private readonly swarm: RunningSwarm;
  private readonly disks = AGENTS.map(({ id }) => ({
    id,
    versions: [] as string[],
    digests: [] as string[],
  }));

  constructor(options: DemoOptions, installation: LocalInstallation, swarm: RunningSwarm) {
    this.options = options;
    this.installation = installation;
    this.swarm = swarm;
  }

  agentResults(): AgentResult[] {
    return this.disks;
  }

  good(): Promise<ActResult> {
    this.options.progress.line("Act 1: shop@1.0.0 goes to everyone, in waves.");
    return this.play("a good release", "1.0.0", "", {
      waves: [2, 18],
      blastRadius: 30,
      maxInFlight: 30,
      maxFailures: 20,
    });
  }

  bad(): Promise<ActResult> {
    this.options.progress.line(
      `Act 2: shop@2.0.0 fails its health check on ${BAD_REVISION}. Watch how far it gets.`,
    );
    this.options.progress.line(
      "In its second wave one device in eight keeps its offer unanswered: the stop takes it back.",
    );
    const during = async (rollout: Rollout): Promise<void> => {
      this.swarm.setPace(isBeforeSecondWave(rollout) ? UNTIL_THE_STOP : AT_ONCE);
    };
    return this.play("a release that fails on one hardware revision", "2.0.0", BAD_REVISION, {
      waves: [2, 18],
      blastRadius: 10,
      maxInFlight: 5,
      maxFailures: 5,
      during,
    });
  }

  gatewayLost(): Promise<ActResult> {
    this.options.progress.line("Act 3: shop@2.0.1 is mended. Midway a gateway is killed.");
    let isKilled = false;
    const during = async (rollout: Rollout): Promise<void> => {
      const succeeded = rollout.progress?.byState["succeeded"] ?? 0;
      const total = rollout.plan?.deviceCount ?? 0;
      if (isKilled || succeeded * 100 < total * KILL_AT_PERCENT) return;
      isKilled = true;
      await this.installation.gateways.get("gw-1")?.kill();
      this.options.progress.line("Gateway gw-1 is gone (kill -9). Its devices go to gw-2.");
    };
    return this.play("a gateway is lost midway", "2.0.1", "", {
      waves: [2, 18],
      blastRadius: 30,
      maxInFlight: 30,
      maxFailures: 20,
      during,
    });
  }

  private async play(
    title: string,
    version: string,
    failsOn: string,
    policy: Pick<ActPlan, "waves" | "blastRadius" | "maxInFlight" | "maxFailures" | "during">,
  ): Promise<ActResult> {
    const { installation } = this;
    const { progress, shell } = this.options;
    const { session } = installation;
    const bundle = await publishDemoRelease({
      session,
      folder: installation.at("releases"),
      keyFile: installation.targetsKeyFile,
      release: { name: "shop", version, failsOn },
      progress,
      nowMs: shell.clock.wallMs(),
    });
    const result = await playAct(
      { session, progress, clock: shell.clock, truth: () => this.truth() },
      {
        ...policy,
        title,
        rollout: `shop-${version}`,
        release: `shop@${version}`,
        digest: bundle.sha256,
        soakMs: 2_000,
      },
    );
    for (const disk of this.disks) {
      const { version: onDisk, digest } = await readAgentDisk(installation.at(disk.id));
      disk.versions.push(onDisk);
      disk.digests.push(digest);
    }
    return result;
  }

  /** What every device says of itself, pretended or real. */
  private async truth(): Promise<ReadonlyMap<string, DeviceTruth>> {
    const truth = new Map<string, DeviceTruth>();
    for (const { id, digest, doubleActivations } of this.swarm.devices()) {
      truth.set(id, { id, digest, doubleActivations });
    }
    for (const { id } of AGENTS) {
      const { digest } = await readAgentDisk(this.installation.at(id));
      truth.set(id, { id, digest, doubleActivations: 0 });
    }
    return truth;
  }
}

/**
 * From when the first wave has accepted until the second is on its way: who hesitates then has no
 * part in the first wave, nor in the way back.
 */
function isBeforeSecondWave({ plan, progress }: Rollout): boolean {
  if (plan === undefined || progress === undefined) return false;
  const { wave, accepted, inFlight } = progress;
  if (wave === 1) return accepted >= (plan.waves[0]?.deviceCount ?? 0);
  return wave === 2 && inFlight < plan.maxInFlight;
}

/** Throws `failed_precondition` with what did not hold. */
export function requireOk(result: DemoResult): void {
  if (result.ok) return;
  throw new MusterError({
    code: "failed_precondition",
    message: "the demo did not show what it should: an act has unaccounted devices, or its radius",
    detail: { hint: "run it again with --json and look at its figures" },
  });
}
