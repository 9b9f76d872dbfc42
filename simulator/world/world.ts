// SPDX-License-Identifier: Apache-2.0
/**
 * A whole installation in one process, on virtual time, from a seed: the real center, gateways and
 * agents over pretended wires, disks and programs. Rollouts follow one another while wires are cut;
 * in the last part of the time nothing is cut any more, and everything must come to its end.
 *
 * One seed gives one history, to the last line: its digest says whether two runs were the same.
 */
import { createHash } from "node:crypto";
import { MusterError } from "../../domain/errors.ts";
import { delay } from "../../ports/clock.ts";
import { SILENT_LOGGER, type Logger } from "../../ports/logger.ts";
import { SeededRandom } from "../swarm/seeded-random.ts";
import { CenterWire } from "./center-wire.ts";
import { Cuts, type CutCounts } from "./cuts.ts";
import { DeviceWire } from "./device-wire.ts";
import { Operator, type RolloutEnd } from "./operator.ts";
import { startSimulatedAgent, type SimulatedAgent } from "./simulated-agent.ts";
import { startSimulatedCenter, type SimulatedCenter } from "./simulated-center.ts";
import { startSimulatedGateway, type SimulatedGateway } from "./simulated-gateway.ts";
import { simulatedReleases, type SimulatedReleases } from "./simulated-releases.ts";
import { VirtualTime } from "./virtual-time.ts";

const REGION = "eu";
/** Longer than any rollout of one day may take; one that is open then does not end. */
const CALM_MS = 12 * 3_600_000;
const MAX_WIRE_DELAY_MS = 80;
const DIAL_TIMEOUT_MS = 3_000;
const MAX_RELEASES = 1_000;

export interface WorldOptions {
  readonly seed: string;
  /** In which wires are cut and rollouts are started. */
  readonly minutes: number;
  readonly devices: number;
  readonly gateways: number;
  /** An empty folder for keys and trust metadata. */
  readonly folder: string;
  /** Told of every line of the history. */
  readonly onLine?: (line: string) => void;
  readonly logger?: Logger;
}

export interface WorldResult {
  readonly simulatedMs: number;
  /** Timers that ran and messages that arrived. */
  readonly steps: number;
  readonly lines: number;
  readonly rollouts: readonly RolloutEnd[];
  readonly cuts: CutCounts;
  /** Sentences; none = every invariant held. */
  readonly violations: readonly string[];
  /** SHA-256 of the history. */
  readonly digest: string;
}

/** Throws what the center fails with, and `internal` when the world stands still. */
export async function runWorld(options: WorldOptions): Promise<WorldResult> {
  const world = await World.start(options);
  try {
    return await world.run();
  } finally {
    await world.stop();
  }
}

class World {
  private readonly options: WorldOptions;
  private readonly time = new VirtualTime();
  private readonly hash = createHash("sha256");
  private readonly releases: SimulatedReleases;
  private readonly cuts: Cuts;
  private readonly gateways = new Map<string, SimulatedGateway>();
  private readonly centerWires = new Map<string, CenterWire>();
  private readonly agents: SimulatedAgent[] = [];
  private readonly calm = new AbortController();
  private center: SimulatedCenter | null = null;
  private lineCount = 0;
  private stepCount = 0;

  private constructor(options: WorldOptions) {
    this.options = options;
    const record = (who: string, what: string): void => this.record(who, what);
    this.cuts = new Cuts({ clock: this.time, seed: options.seed, record });
    this.releases = simulatedReleases(MAX_RELEASES, this.time.wallMs());
  }

  static async start(options: WorldOptions): Promise<World> {
    const world = new World(options);
    const { seed, folder, logger = SILENT_LOGGER } = options;
    const { time, releases } = world;
    const count = (length: number, name: string): string[] =>
      Array.from({ length }, (_, index) => `${name}-${index + 1}`);
    const devices = count(options.devices, "device");
    const gateways = count(options.gateways, "gateway");
    const registered = devices.map((id) => ({ id, region: REGION }));
    const center = await startSimulatedCenter({
      folder,
      time,
      seed,
      releases,
      logger,
      devices: registered,
    });
    world.center = center;
    for (const id of gateways) await world.addGateway(id, center, logger);
    for (const id of devices) await world.addAgent(id, gateways, center, logger);
    return world;
  }

  async run(): Promise<WorldResult> {
    const { time, center, calm, cuts, options } = this;
    if (center === null) throw new MusterError({ code: "internal", message: "no center" });
    const stormMs = options.minutes * 60_000;
    time.setTimer(stormMs, () => calm.abort());
    const operator = new Operator({
      clock: time,
      center,
      agents: this.agents,
      releases: this.releases,
      random: new SeededRandom({ seed: options.seed, name: "operator" }),
      record: (what) => this.record("operator", what),
      calm: calm.signal,
    });
    const operated = Promise.race([operator.run(), center.failed]);
    if (!(await this.pass(operated, stormMs + CALM_MS))) {
      operator.violate("a rollout is still open long after the last cut");
    }
    return {
      simulatedMs: time.monotonicMs(),
      steps: this.stepCount,
      lines: this.lineCount,
      rollouts: operator.ended,
      cuts: cuts.counts,
      violations: operator.violations,
      digest: this.hash.digest("hex"),
    };
  }

  /** Everything ends; time goes on as long as something waits for it. */
  async stop(): Promise<void> {
    this.calm.abort();
    const parts = [
      ...this.agents.map((agent) => agent.stop()),
      ...[...this.gateways.values()].map((gateway) => gateway.stop()),
    ];
    const stopped = Promise.all(parts).then(() => this.center?.[Symbol.asyncDispose]());
    await this.pass(stopped, Infinity);
  }

  /** Lets time pass until the promise settles; false when the time given was over before. */
  private async pass(promise: Promise<unknown>, endMs: number): Promise<boolean> {
    const settled = new AbortController();
    const settle = (): void => settled.abort();
    promise.then(settle, settle);
    while (!settled.signal.aborted) {
      if (!(await this.time.step(endMs))) return settled.signal.aborted;
      this.stepCount++;
    }
    await promise;
    return true;
  }

  private async addGateway(id: string, center: SimulatedCenter, logger: Logger): Promise<void> {
    const { time: clock, options, calm } = this;
    const random = new SeededRandom({ seed: options.seed, name: `wire of ${id}` });
    const delayMs = 1 + random.next() * MAX_WIRE_DELAY_MS;
    const { link } = center;
    const wire = new CenterWire({ clock, delayMs, region: REGION, gateway: id, link });
    const { seed } = options;
    const gateway = await startSimulatedGateway({ id, region: REGION, wire, clock, seed, logger });
    this.gateways.set(id, gateway);
    this.centerWires.set(id, wire);
    void this.cuts.cutGateway(id, wire, calm.signal);
  }

  private async addAgent(
    id: string,
    gateways: readonly string[],
    center: SimulatedCenter,
    logger: Logger,
  ): Promise<void> {
    const { time: clock, options, calm, cuts } = this;
    const random = new SeededRandom({ seed: options.seed, name: `wire of ${id}` });
    const delayMs = 1 + random.next() * MAX_WIRE_DELAY_MS;
    const agent = await startSimulatedAgent({
      id,
      clock,
      seed: options.seed,
      logger,
      offerKey: center.offerKey,
      blobs: this.releases.blobs,
      gateways,
      openStream: async ({ host, signal }) => {
        const isCut = cuts.isCut(id, host);
        await delay(clock, isCut ? DIAL_TIMEOUT_MS : 4 * delayMs, signal);
        const gateway = this.gateways.get(host);
        if (isCut || cuts.isCut(id, host) || gateway === undefined) {
          throw new MusterError({ code: "unavailable", message: `${host} does not answer` });
        }
        const wire = new DeviceWire({ clock, delayMs });
        cuts.add(id, host, wire);
        gateway.accept(id, wire);
        return wire.device;
      },
      isReachable: () => gateways.some((gateway) => !cuts.isCut(id, gateway)),
      record: (what) => this.record(id, what),
    });
    this.agents.push(agent);
    void cuts.cutDevice(id, gateways, calm.signal);
  }

  private record(who: string, what: string): void {
    const line = `${this.time.monotonicMs().toFixed(3)} ${who} ${what}`;
    this.lineCount++;
    this.hash.update(`${line}\n`);
    this.options.onLine?.(line);
  }
}
