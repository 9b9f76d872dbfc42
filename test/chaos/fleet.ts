// SPDX-License-Identifier: Apache-2.0
/**
 * An installation of real processes and a swarm of pretended devices on real sockets, for tests that
 * hurt them: rollouts go through while roles are killed, and what everybody wrote is collected for
 * the checkers.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { LocalInstallation } from "../../cli/demo/local-installation.ts";
import { publishDemoRelease } from "../../cli/demo/demo-release.ts";
import { SILENT_LOGGER } from "../../ports/logger.ts";
import { delay } from "../../ports/clock.ts";
import {
  RolloutState,
  type Rollout,
  type RolloutSpecSchema,
} from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { systemClock } from "../../runtime/system-clock.ts";
import { systemRandom } from "../../runtime/system-random.ts";
import type { History, Observation } from "../../simulator/checkers/history.ts";
import type { Pace } from "../../simulator/swarm/pace.ts";
import { startSwarm, type BehaviourWeights } from "../../simulator/swarm/swarm.ts";
import type { RunningSwarm } from "../../simulator/swarm/swarm.ts";
import { testShell } from "../helpers/shell.ts";
import { tempDir, type TempDir } from "../helpers/temp-dir.ts";
import { until } from "../helpers/until.ts";
import { collectHistory, stateOf } from "./collect-history.ts";
import { patiently } from "./patience.ts";

export interface FleetOptions {
  readonly deviceCount: number;
  readonly behaviours: BehaviourWeights;
  readonly seed: number;
  readonly gateways: readonly string[];
  readonly pace?: Partial<Pace>;
  /** Default 5,000. */
  readonly offerLifetimeMs?: number;
  /** Default 6,000. */
  readonly leaseLifetimeMs?: number;
  /** Default 1,000. */
  readonly heartbeatMs?: number;
  /** Of every start of the center that names none. */
  readonly centerEnvironment?: Environment;
  /** Of every start of a gateway that names none. */
  readonly gatewayEnvironment?: Environment;
  readonly signal: AbortSignal;
}

export type Environment = { readonly [name: string]: string | undefined };
export type Spec = MessageInitShape<typeof RolloutSpecSchema>;

export const RELEASE = "shop";
const POLL_MS = 100;
const CONNECT_TIMEOUT_MS = 60_000;
const BATCH = 1_000;

const ENDED: ReadonlySet<RolloutState> = new Set([
  RolloutState.SUCCEEDED,
  RolloutState.STOPPED,
  RolloutState.ROLLED_BACK,
  RolloutState.EXPIRED,
]);

export class Fleet implements AsyncDisposable {
  readonly installation: LocalInstallation;
  swarm: RunningSwarm;
  readonly #folder: TempDir;
  readonly #options: FleetOptions;
  readonly #observations: Observation[] = [];
  /** One at a time: the targets file has versions. */
  #publishing: Promise<unknown> = Promise.resolve();

  private constructor(
    options: FleetOptions,
    parts: { installation: LocalInstallation; swarm: RunningSwarm; folder: TempDir },
  ) {
    this.#options = options;
    this.installation = parts.installation;
    this.swarm = parts.swarm;
    this.#folder = parts.folder;
  }

  /** Resolves when every device is connected. */
  static async start(options: FleetOptions): Promise<Fleet> {
    await using stack = new AsyncDisposableStack();
    const { offerLifetimeMs = 5_000, leaseLifetimeMs = 6_000, heartbeatMs = 1_000 } = options;
    const folder = stack.use(await tempDir("chaos"));
    const installation = stack.use(
      new LocalInstallation({
        folder: folder.path,
        shell: testShell(options.signal),
        heartbeat: `${heartbeatMs}ms`,
        offerLifetime: `${offerLifetimeMs}ms`,
        leaseLifetime: `${leaseLifetimeMs}ms`,
      }),
    );
    await installation.startCenter(options.centerEnvironment);
    for (const id of options.gateways) {
      await installation.startGateway(id, options.gatewayEnvironment);
    }
    const swarm = stack.use(
      await openSwarm(options, installation, await enrol(options, installation)),
    );
    const { signal } = options;
    const isWhole = (): boolean => swarm.stats().connected >= connecting(options);
    await until("every device is connected", isWhole, { timeoutMs: CONNECT_TIMEOUT_MS, signal });
    stack.move();
    return new Fleet(options, { installation, swarm, folder });
  }

  /** Signs and publishes `shop@version`; its health check fails on that hardware revision. */
  publish(version: string, failsOn = ""): Promise<unknown> {
    const { installation } = this;
    this.#publishing = this.#publishing.then(() =>
      publishDemoRelease({
        session: installation.session,
        folder: installation.at("releases"),
        keyFile: installation.targetsKeyFile,
        release: { name: RELEASE, version, failsOn },
        progress: NO_PROGRESS,
        nowMs: systemClock.wallMs(),
      }),
    );
    return this.#publishing;
  }

  /** Applies, plans and starts a rollout, however often the center goes away meanwhile. */
  async startRollout(name: string, spec: Spec): Promise<void> {
    const { signal } = this.#options;
    const { session } = this.installation;
    const mutations = ["apply", "plan", "start"].map((reason) => session.mutation(reason));
    const [apply, plan, start] = mutations;
    if (apply === undefined || plan === undefined || start === undefined) return;
    const { client } = session;
    await patiently((call) => client.applyRollout({ mutation: apply, name, spec }, call), signal);
    await patiently((call) => client.planRollout({ mutation: plan, name }, call), signal);
    await patiently((call) => client.startRollout({ mutation: start, name }, call), signal);
  }

  /** What the center says of it now; kept for the checkers. */
  async look(name: string): Promise<Rollout> {
    const { signal } = this.#options;
    const { client } = this.installation.session;
    const answer = await patiently((call) => client.getRollout({ name }, call), signal);
    const { rollout } = answer;
    if (rollout === undefined) throw new Error(`the center answers without rollout ${name}`);
    if (rollout.progress !== undefined && rollout.state !== RolloutState.DRAFT) {
      const { byState, unproven } = rollout.progress;
      this.#observations.push({ rollout: rollout.number, byState, unproven });
    }
    return rollout;
  }

  /** Looks again and again until `check` holds; throws when it does not in time. */
  async lookUntil(
    name: string,
    what: string,
    check: (rollout: Rollout) => boolean,
    timeoutMs: number,
  ): Promise<Rollout> {
    const deadlineMs = systemClock.monotonicMs() + timeoutMs;
    for (;;) {
      const rollout = await this.look(name);
      if (check(rollout)) return rollout;
      if (systemClock.monotonicMs() > deadlineMs) {
        const { byState = {} } = rollout.progress ?? {};
        throw new Error(
          `waited ${timeoutMs} ms in vain until ${name} ${what}; it is ` +
            `${stateOf(rollout.state)} (${rollout.stateReason}), ${JSON.stringify(byState)}`,
        );
      }
      await delay(systemClock, POLL_MS, this.#options.signal);
    }
  }

  rolloutEnd(name: string, timeoutMs: number): Promise<Rollout> {
    return this.lookUntil(name, "has ended", ({ state }) => ENDED.has(state), timeoutMs);
  }

  /** Everything that everybody wrote so far. */
  async history(): Promise<History> {
    await this.swarm.flush();
    return collectHistory({
      session: this.installation.session,
      journalDirectory: this.installation.at("swarm"),
      observations: this.#observations,
      offerLifetimeMs: this.#options.offerLifetimeMs ?? 5_000,
      signal: this.#options.signal,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.swarm.stop();
    await this.installation[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** Devices that are meant to connect. */
function connecting({ deviceCount, behaviours }: FleetOptions): number {
  return behaviours.offline === undefined ? deviceCount : 1;
}

/** Registers the devices, every second one with the label `half=a`; returns their tokens. */
async function enrol(options: FleetOptions, installation: LocalInstallation): Promise<string[]> {
  const { client, mutation } = installation.session;
  const ids = Array.from(
    { length: options.deviceCount },
    (_, index) => `sim-${String(index + 1).padStart(4, "0")}`,
  );
  const tokens: string[] = [];
  for (let start = 0; start < ids.length; start += BATCH) {
    const batch = ids.slice(start, start + BATCH);
    const devices = batch.map((id, index) => ({
      id,
      region: "local",
      labels: { half: index % 2 === 0 ? "a" : "b" },
    }));
    await client.registerDevices({ mutation: mutation(), devices });
    const answer = await client.enrolDevices({ mutation: mutation(), devices: batch });
    tokens.push(...answer.tokens);
  }
  return tokens;
}

function openSwarm(
  options: FleetOptions,
  installation: LocalInstallation,
  tokens: readonly string[],
): Promise<RunningSwarm> {
  const { deviceCount, behaviours, seed, pace = {}, heartbeatMs = 1_000, signal } = options;
  return startSwarm({
    deviceCount,
    behaviours,
    seed,
    pace,
    tokens,
    enrolmentUrl: installation.enrolmentUrl,
    // Gateways come back at the same address; the directory forgets those that are away.
    gateways: [...installation.gateways.values()].map((gateway) => ({
      host: "localhost",
      mqttsPort: gateway.port("mqttsPort"),
      artifactsPort: gateway.port("artifactsPort"),
    })),
    dataDirectory: installation.at("swarm"),
    heartbeatIntervalMs: heartbeatMs,
    backoffCeilingMs: 2_000,
    clock: systemClock,
    random: systemRandom,
    logger: SILENT_LOGGER,
    signal,
  });
}

const NO_PROGRESS = {
  bar: () => ({ update: () => {}, setTotal: () => {}, finish: () => {} }),
  line: () => {},
  status: () => {},
  [Symbol.dispose]: () => {},
};
