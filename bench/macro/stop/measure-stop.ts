// SPDX-License-Identifier: Apache-2.0
/**
 * Stops a rollout that every device of an installation has in hand: real processes, two gateways,
 * a swarm on real sockets whose devices hesitate before they accept. What the center says of the
 * stop is compared with the devices' own journal: who took the withdrawal, and that nobody accepted
 * after it.
 */
import { publishDemoRelease } from "../../../cli/demo/demo-release.ts";
import { LocalInstallation } from "../../../cli/demo/local-installation.ts";
import { createProgress } from "../../../cli/progress/progress.ts";
import type { Shell } from "../../../cli/shell.ts";
import { hasReachedAll, stopFigures, type StopFigures } from "../../../cli/views/stop-reach.ts";
import { MusterError } from "../../../domain/errors.ts";
import { delay } from "../../../ports/clock.ts";
import { SILENT_LOGGER } from "../../../ports/logger.ts";
import type { Rollout } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { readJournals } from "../../../simulator/swarm/operation-journal.ts";
import { startSwarm, type RunningSwarm } from "../../../simulator/swarm/swarm.ts";

export interface MeasuredStop extends StopFigures {
  /** Until the answer to the command. */
  readonly answerMs: number;
  /** By the devices' journal. */
  readonly journal: {
    readonly withdrawn: number;
    readonly accepted: number;
    /** Of those: after the device had taken the withdrawal. */
    readonly acceptedLate: number;
  };
}

export interface MeasureStopOptions {
  readonly deviceCount: number;
  /** Rollouts that are stopped one after the other. */
  readonly rounds: number;
  readonly folder: string;
  readonly shell: Pick<Shell, "clock" | "random" | "interrupt" | "stderr">;
}

const GATEWAYS = ["gw-1", "gw-2"];
const BATCH = 1_000;
const POLL_MS = 20;
const WAIT_MS = 180_000;
const DEADLINES = {
  reachMs: BigInt(WAIT_MS),
  downloadMs: 60_000n,
  installMs: 60_000n,
  verifyMs: 60_000n,
  waitingMs: 60_000n,
  offlineGraceMs: BigInt(WAIT_MS),
};
const percent = (value: number): { kind: { case: "percent"; value: number } } => ({
  kind: { case: "percent", value },
});

export async function measureStop(options: MeasureStopOptions): Promise<MeasuredStop[]> {
  const { folder, shell, deviceCount } = options;
  await using stack = new AsyncDisposableStack();
  const installation = stack.use(
    new LocalInstallation({ folder, shell, heartbeat: "5s", offerLifetime: "10m" }),
  );
  await installation.startCenter();
  for (const id of GATEWAYS) await installation.startGateway(id);
  const swarm = stack.use(await startDevices(options, installation));
  const bench = new StopBench(options, installation, swarm);
  await bench.until("every device is connected", () => swarm.stats().connected === deviceCount);
  const measured: MeasuredStop[] = [];
  for (let round = 1; round <= options.rounds; round++) measured.push(await bench.round(round));
  return measured;
}

async function startDevices(
  options: MeasureStopOptions,
  installation: LocalInstallation,
): Promise<RunningSwarm> {
  const { deviceCount, shell } = options;
  const { session } = installation;
  const { client, call } = session;
  const ids = Array.from({ length: deviceCount }, (_, index) => `device-${index + 1}`);
  const tokens: string[] = [];
  for (let start = 0; start < ids.length; start += BATCH) {
    const batch = ids.slice(start, start + BATCH);
    const devices = batch.map((id) => ({ id, region: "local" }));
    await client.registerDevices({ mutation: session.mutation("bench"), devices }, call);
    const enrolment = { mutation: session.mutation("bench"), devices: batch };
    tokens.push(...(await client.enrolDevices(enrolment, call)).tokens);
  }
  return startSwarm({
    deviceCount,
    seed: 7,
    behaviours: { hesitant: 1 },
    pace: { considerMs: [WAIT_MS, WAIT_MS] },
    enrolmentUrl: installation.enrolmentUrl,
    tokens,
    dataDirectory: installation.at("swarm"),
    clock: shell.clock,
    random: shell.random,
    logger: SILENT_LOGGER,
    signal: shell.interrupt.signal,
  });
}

class StopBench {
  private readonly options: MeasureStopOptions;
  private readonly installation: LocalInstallation;
  private readonly swarm: RunningSwarm;

  constructor(options: MeasureStopOptions, installation: LocalInstallation, swarm: RunningSwarm) {
    this.options = options;
    this.installation = installation;
    this.swarm = swarm;
  }

  /** Everybody is offered a release at once, and then it is stopped. */
  async round(round: number): Promise<MeasuredStop> {
    const { deviceCount } = this.options;
    const { session } = this.installation;
    const { client, call } = session;
    const name = `stopped-${round}`;
    await this.start(name, `${round}.0.0`);
    const offers = (): number => this.swarm.stats().offers;
    await this.until("every device has its offer", () => offers() >= round * deviceCount);
    const startedAtMs = performance.now();
    await client.stopRollout({ mutation: session.mutation("bench"), name }, call);
    const answerMs = performance.now() - startedAtMs;
    const reach = async (): Promise<StopFigures | null> => {
      const { stopReach } = await this.look(name);
      return stopReach === undefined ? null : stopFigures(stopReach);
    };
    await this.until("every device is accounted for", async () => isWhole(await reach()));
    const figures = await reach();
    if (figures === null) throw new Error("assertion failed: the rollout was stopped");
    const { number } = await this.look(name);
    return { ...figures, answerMs, journal: await this.journalOf(number) };
  }

  async until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const { clock, interrupt } = this.options.shell;
    const deadlineMs = clock.monotonicMs() + WAIT_MS;
    while (!(await holds())) {
      if (clock.monotonicMs() > deadlineMs) {
        throw new MusterError({ code: "unavailable", message: `waited in vain until ${what}` });
      }
      await delay(clock, POLL_MS, interrupt.signal);
    }
  }

  private async start(name: string, version: string): Promise<void> {
    const { session, targetsKeyFile: keyFile } = this.installation;
    const { shell } = this.options;
    using progress = createProgress({ stream: shell.stderr, isTty: false, clock: shell.clock });
    const release = { name: "shop", version, failsOn: "" };
    const folder = this.installation.at("releases");
    const nowMs = shell.clock.wallMs();
    await publishDemoRelease({ session, folder, keyFile, release, progress, nowMs });
    const { client, call } = session;
    const all = percent(100);
    const policy = { waves: [all], maxInFlight: all, blastRadius: all, deadlines: DEADLINES };
    const spec = { release: `shop@${version}`, ...policy };
    await client.applyRollout({ mutation: session.mutation("bench"), name, spec }, call);
    await client.planRollout({ mutation: session.mutation("bench"), name }, call);
    await client.startRollout({ mutation: session.mutation("bench"), name }, call);
  }

  private async look(name: string): Promise<Rollout> {
    const { client, call } = this.installation.session;
    const { rollout } = await client.getRollout({ name }, call);
    if (rollout === undefined) throw new Error("assertion failed: the rollout was applied");
    return rollout;
  }

  private async journalOf(rollout: number): Promise<MeasuredStop["journal"]> {
    await this.swarm.flush();
    const withdrawn = new Set<string>();
    let accepted = 0;
    let acceptedLate = 0;
    for await (const entry of readJournals(this.installation.at("swarm"))) {
      if (entry.op !== "withdrawn" && entry.op !== "accept") continue;
      if (entry.rollout !== rollout) continue;
      if (entry.op === "withdrawn") withdrawn.add(entry.device);
      else {
        accepted++;
        if (withdrawn.has(entry.device)) acceptedLate++;
      }
    }
    return { withdrawn: withdrawn.size, accepted, acceptedLate };
  }
}

function isWhole(figures: StopFigures | null): boolean {
  return figures !== null && figures.devices > 0 && hasReachedAll(figures);
}
