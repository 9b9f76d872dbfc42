// SPDX-License-Identifier: Apache-2.0
/**
 * An installation of real processes and a swarm of pretended devices on real sockets, for tests
 * that hurt them: rollouts go through while roles are killed, and what everybody wrote is collected
 * for the checkers.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { LocalInstallation } from "../../cli/demo/local-installation.ts";
import { publishDemoRelease } from "../../cli/demo/demo-release.ts";
import { SILENT_LOGGER } from "../../ports/logger.ts";
import { delay } from "../../ports/clock.ts";
import {
  RolloutState,
  type Rollout,
  type RolloutSpec,
  type RolloutSpecSchema,
} from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { systemClock } from "../../runtime/system-clock.ts";
import { systemRandom } from "../../runtime/system-random.ts";
import type { History, Observation } from "../../simulator/checkers/history.ts";
import type { Pace } from "../../simulator/swarm/pace.ts";
import type { PartOptions } from "../../simulator/swarm/process-messages.ts";
import { startSwarmProcesses } from "../../simulator/swarm/swarm-processes.ts";
import type { SwarmHandle } from "../../simulator/swarm/swarm-processes.ts";
import { dealBehaviours, startSwarm } from "../../simulator/swarm/swarm.ts";
import type {
  Behaviour,
  BehaviourWeights,
  RunningSwarm,
  SwarmDeviceSpec,
} from "../../simulator/swarm/swarm.ts";
import { testShell } from "../helpers/shell.ts";
import { tempDir, type TempDir } from "../helpers/temp-dir.ts";
import { until } from "../helpers/until.ts";
import { stateOf } from "../../simulator/checkers/read-rollouts.ts";
import { collectHistory } from "./collect-history.ts";
import { patiently } from "./patience.ts";

export interface FleetOptions {
  readonly devices: readonly FleetDevice[];
  readonly seed: number;
  readonly gateways: readonly string[];
  readonly pace?: Partial<Pace>;
  /** Default 5,000. */
  readonly offerLifetimeMs?: number;
  /** Default 6,000. */
  readonly leaseLifetimeMs?: number;
  /** Default 1,000. */
  readonly heartbeatMs?: number;
  /** Default `info`. */
  readonly logLevel?: string;
  /** Further options of the center, as `{ "event-log": "kafka://…" }`. */
  readonly centerFlags?: { readonly [name: string]: string | number };
  /** Further options of each gateway, as `{ workers: 3 }`. */
  readonly gatewayFlags?: { readonly [name: string]: string | number };
  readonly signal: AbortSignal;
}

export interface FleetDevice extends SwarmDeviceSpec {
  readonly labels: { readonly [name: string]: string };
}

export type Environment = { readonly [name: string]: string | undefined };
export type Spec = Exclude<MessageInitShape<typeof RolloutSpecSchema>, RolloutSpec>;

export const RELEASE = "shop";
const POLL_MS = 100;
const CONNECT_TIMEOUT_MS = 60_000;
const DEFAULT_HEARTBEAT_MS = 1_000;

const ENDED: ReadonlySet<RolloutState> = new Set([
  RolloutState.SUCCEEDED,
  RolloutState.STOPPED,
  RolloutState.ROLLED_BACK,
  RolloutState.EXPIRED,
]);

export class Fleet implements AsyncDisposable {
  readonly installation: LocalInstallation;
  readonly swarm: RunningSwarm;
  readonly #enrolled = new Set<number>();
  #lastPart = 0;
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
    const { offerLifetimeMs = 5_000, leaseLifetimeMs = 6_000, signal } = options;
    const folder = stack.use(await tempDir("chaos"));
    const installation = stack.use(
      new LocalInstallation({
        folder: folder.path,
        shell: testShell(signal),
        heartbeat: `${options.heartbeatMs ?? DEFAULT_HEARTBEAT_MS}ms`,
        offerLifetime: `${offerLifetimeMs}ms`,
        leaseLifetime: `${leaseLifetimeMs}ms`,
        logLevel: options.logLevel ?? "info",
        centerFlags: options.centerFlags ?? {},
        gatewayFlags: options.gatewayFlags ?? {},
      }),
    );
    await installation.startCenter();
    for (const id of options.gateways) await installation.startGateway(id);
    const tokens = await enrolDevices(installation, options.devices);
    const swarm = stack.use(
      await startSwarm({
        ...swarmOptions(options, installation, options.devices),
        tokens,
        clock: systemClock,
        random: systemRandom,
        logger: SILENT_LOGGER,
        signal,
      }),
    );
    const isWhole = (): boolean => swarm.stats().connected === options.devices.length;
    await until("every device is connected", isWhole, { timeoutMs: CONNECT_TIMEOUT_MS, signal });
    stack.move();
    return new Fleet(options, { installation, swarm, folder });
  }

  /**
   * Starts pretended devices in a process of their own, with a bug planted in them. `part`: which
   * of the swarm's journals is theirs; the main one is 0. The same devices may be started again.
   */
  async startPlanted(options: {
    devices: readonly FleetDevice[];
    plant: string;
    part: number;
    pace?: Partial<Pace>;
  }): Promise<SwarmHandle> {
    const { devices, part, plant } = options;
    const { installation } = this;
    const tokens = this.#enrolled.has(part) ? [] : await enrolDevices(installation, devices);
    this.#enrolled.add(part);
    const whole = { ...swarmOptions(this.#options, installation, devices), ...options };
    // A forked process takes the environment of this one, where the faults are read by now.
    process.env["MUSTER_FAULTS"] = plant === "" ? "" : `plant:${plant}`;
    try {
      return await startSwarmProcesses({
        ...whole,
        dataDirectory: installation.at(`swarm/part-${part}`),
        tokens,
        processCount: 1,
        clock: systemClock,
        signal: this.#options.signal,
        onEnrolled: () => {},
      });
    } finally {
      delete process.env["MUSTER_FAULTS"];
    }
  }

  /** The number of a journal that nobody writes yet, beside that of the main swarm. */
  nextPart(): number {
    return ++this.#lastPart;
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
      journalDirectories: [
        this.installation.at("swarm"),
        ...[...this.#enrolled].map((part) => this.installation.at(`swarm/part-${part}`)),
      ],
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

/** `count` devices `name-1`, … of one behaviour, labelled with their group. */
export function deviceGroup(name: string, behaviour: Behaviour, count: number): FleetDevice[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `${name}-${index + 1}`,
    behaviour,
    labels: { group: name, half: index % 2 === 0 ? "a" : "b" },
  }));
}

/** Devices with behaviours dealt among them, every second one with the label `half=a`. */
export function mixedDevices(
  count: number,
  weights: BehaviourWeights,
  seed: number,
): FleetDevice[] {
  const ids = Array.from({ length: count }, (_, index) => `sim-${index + 1}`);
  const specs = dealBehaviours({ ids, weights, seed: String(seed) });
  return specs.map((spec, index) => ({ ...spec, labels: { half: index % 2 === 0 ? "a" : "b" } }));
}

/** Registers devices; returns one-time tokens. */
export async function enrolDevices(
  installation: LocalInstallation,
  devices: readonly FleetDevice[],
): Promise<string[]> {
  const { client, mutation } = installation.session;
  await client.registerDevices({
    mutation: mutation(),
    devices: devices.map(({ id, labels }) => ({ id, region: "local", labels })),
  });
  const ids = devices.map(({ id }) => id);
  const { tokens } = await client.enrolDevices({ mutation: mutation(), devices: ids });
  return tokens;
}

function swarmOptions(
  options: FleetOptions,
  installation: LocalInstallation,
  devices: readonly FleetDevice[],
): PartOptions {
  return {
    devices: devices.map(({ id, behaviour }) => ({ id, behaviour })),
    seed: options.seed,
    pace: options.pace ?? {},
    enrolmentUrl: installation.enrolmentUrl,
    // Gateways come back at the same address; the directory forgets those that are away.
    gateways: [...installation.gateways.values()].map((gateway) => ({
      host: "localhost",
      mqttsPort: gateway.port("mqttsPort"),
      artifactsPort: gateway.port("artifactsPort"),
    })),
    dataDirectory: installation.at("swarm"),
    heartbeatIntervalMs: options.heartbeatMs ?? DEFAULT_HEARTBEAT_MS,
    backoffCeilingMs: 2_000,
  };
}

const NO_PROGRESS = {
  bar: () => ({ update: () => {}, setTotal: () => {}, finish: () => {} }),
  line: () => {},
  status: () => {},
  [Symbol.dispose]: () => {},
};
