// SPDX-License-Identifier: Apache-2.0
/**
 * A small installation in which bugs are planted, one after the other: the center is started again
 * with `MUSTER_FAULTS=plant:NAME`, a rollout goes out, and the checker that should know must say
 * so.
 */
import assert from "node:assert/strict";
import { OnStop, RolloutState } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { CHECKERS } from "../../simulator/checkers/checkers.ts";
import type { Violation } from "../../simulator/checkers/history.ts";
import { until } from "../helpers/until.ts";
import type { Pace } from "../../simulator/swarm/pace.ts";
import type { SwarmHandle } from "../../simulator/swarm/swarm-processes.ts";
import { deviceGroup, Fleet, RELEASE, type FleetDevice, type Spec } from "./fleet.ts";

const WAIT_MS = 30_000;

/** Everything at once, and short deadlines: what a case needs otherwise, it says. */
const SPEC: Spec = {
  waves: [{ kind: { case: "percent", value: 100 } }],
  maxInFlight: { kind: { case: "percent", value: 100 } },
  blastRadius: { kind: { case: "percent", value: 100 } },
  gate: {
    maxFailures: { kind: { case: "percent", value: 100 } },
    minSuccessPercent: 0,
    minSample: 1,
  },
  soakMs: 300n,
  deadlines: {
    reachMs: 5_000n,
    downloadMs: 5_000n,
    installMs: 5_000n,
    verifyMs: 5_000n,
    waitingMs: 5_000n,
    offlineGraceMs: 6_000n,
  },
  onStop: OnStop.PAUSE,
};

export const count = (value: number): { kind: { case: "count"; value: number } } => ({
  kind: { case: "count", value },
});

export class PlantedFleet implements AsyncDisposable {
  readonly fleet: Fleet;
  readonly signal: AbortSignal;
  readonly #abort: AbortController;
  #releaseCount = 0;
  /** Rollouts that a case left open. */
  readonly #names: string[] = [];

  private constructor(fleet: Fleet, abort: AbortController) {
    this.fleet = fleet;
    this.#abort = abort;
    this.signal = abort.signal;
  }

  static async start(devices: readonly FleetDevice[]): Promise<PlantedFleet> {
    const abort = new AbortController();
    const fleet = await Fleet.start({
      devices,
      seed: 11,
      gateways: ["gw-1"],
      pace: { installMs: [50, 150], checkMs: [20, 50] },
      offerLifetimeMs: 2_000,
      leaseLifetimeMs: 4_000,
      signal: abort.signal,
    });
    return new PlantedFleet(fleet, abort);
  }

  /**
   * Kills the center and starts it with these faults ("" = none); waits for gateway and devices.
   */
  async restart(faults: string, traceFile = ""): Promise<void> {
    const { installation } = this.fleet;
    await installation.center.kill();
    await installation.startCenter({
      MUSTER_FAULTS: faults,
      ...(traceFile === "" ? {} : { MUSTER_FAULT_TRACE: traceFile }),
    });
    const { client } = installation.session;
    const options = { timeoutMs: WAIT_MS, signal: this.signal };
    const isWhole = async (): Promise<boolean> => {
      const { onlineDevices } = await client.getStatus({});
      return onlineDevices >= this.fleet.swarm.stats().connected;
    };
    await until("every device is online at the center", isWhole, options);
  }

  /** A pretended device `GROUP-1` with a bug of its own, in its own process; connected. */
  async swarm(
    group: string,
    options: { plant: string; part: number; pace?: Partial<Pace> },
  ): Promise<SwarmHandle & AsyncDisposable> {
    const devices = deviceGroup(group, "good", 1);
    const swarm = await this.fleet.startPlanted({ devices, ...options });
    const isConnected = (): boolean => swarm.stats().connected === 1;
    const wait = { timeoutMs: WAIT_MS, signal: this.signal };
    await until(`${group}-1 is connected`, isConnected, wait);
    return {
      stats: () => swarm.stats(),
      failed: swarm.failed,
      stop: () => swarm.stop(),
      [Symbol.asyncDispose]: () => swarm.stop(),
    };
  }

  /** Publishes a release and starts its rollout; returns the rollout's name. */
  async rollOut(selector: string, spec: Spec = {}, failsOn = ""): Promise<string> {
    const version = `${++this.#releaseCount}.0.0`;
    await this.fleet.publish(version, failsOn);
    const name = `${RELEASE}-${this.#releaseCount}`;
    this.#names.push(name);
    await this.fleet.startRollout(name, {
      ...SPEC,
      selector,
      release: `${RELEASE}@${version}`,
      ...spec,
    });
    return name;
  }

  /** Resolves when the checker has found it out: in a story that names this rollout or device. */
  async caught(invariant: string, name: string): Promise<void> {
    const options = { timeoutMs: WAIT_MS, signal: this.signal };
    const check = async (): Promise<boolean> => (await this.found(invariant, name)).length > 0;
    await until(`the checker ${invariant} finds the bug out in ${name}`, check, options);
  }

  /** What the checker says of this rollout or device. */
  async found(invariant: string, name: string): Promise<readonly Violation[]> {
    const checker = CHECKERS[invariant];
    assert.ok(checker !== undefined, `there is a checker ${invariant}`);
    const violations = checker(await this.fleet.history());
    return violations.filter(({ story }) => story.split(/[\s/]+/).includes(name));
  }

  /** Ends what a case left open, with a sound center. */
  async cleanUp(): Promise<void> {
    await this.restart("");
    const { client } = this.fleet.installation.session;
    for (const name of this.#names.splice(0)) {
      const { rollout } = await client.getRollout({ name });
      if (rollout === undefined || !OPEN.has(rollout.state)) continue;
      await client.stopRollout({ name });
      await this.fleet.rolloutEnd(name, WAIT_MS);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    await this.fleet[Symbol.asyncDispose]();
  }
}

const OPEN: ReadonlySet<RolloutState> = new Set([
  RolloutState.RUNNING,
  RolloutState.PAUSED,
  RolloutState.STOPPING,
]);
