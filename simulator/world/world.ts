// SPDX-License-Identifier: Apache-2.0
/**
 * A whole installation in one process, on virtual time, from a seed: the real center, gateways and
 * agents over pretended wires, disks and programs. Rollouts follow one another in a storm of
 * faults; then it is calm, and everything must come to its end. What devices truly did is judged by
 * the checkers that judge runs with real processes, too.
 *
 * One seed gives one history, to the last line: its digest says whether two runs were the same. One
 * world at a time in a process: the named points in product code are the process's.
 */
import { createHash } from "node:crypto";
import { delay } from "../../ports/clock.ts";
import { SILENT_LOGGER, type Logger } from "../../ports/logger.ts";
import { handleFaults } from "../../runtime/faults.ts";
import { checkAll } from "../checkers/checkers.ts";
import { readAudit, readRollouts, type ApiClient } from "../checkers/read-rollouts.ts";
import type { Operation } from "../swarm/model-effects.ts";
import type { JournalEntry } from "../swarm/operation-journal.ts";
import { SeededRandom } from "../swarm/seeded-random.ts";
import { ALL_FAULTS, type FaultCounts, type FaultKind } from "./fault-kinds.ts";
import { Life, passPoint, type Role } from "./life.ts";
import { Operator, type RolloutEnd } from "./operator.ts";
import {
  OFFER_LIFETIME_MS,
  prepareCenter,
  startSimulatedCenter,
  type CenterGround,
  type SimulatedCenter,
} from "./simulated-center.ts";
import { simulatedReleases, type SimulatedReleases } from "./simulated-releases.ts";
import { BRICKED, REGION, Site } from "./site.ts";
import { isDiskFailure, Storm } from "./storm.ts";
import { VirtualTime } from "./virtual-time.ts";

/** A rollout that is open for so long after the last fault does not end. */
const CALM_MS = 12 * 3_600_000;
const MAX_RELEASES = 500;
const MAX_PAUSE_MS = 1_800_000;
const API_DELAY_MS = 5;
/** A process that has crashed is started again after so long. */
const MAX_DOWN_MS = 60_000;
/** From the end of the last rollout to the judgement. */
const SETTLE_MS = 600_000;
const MAX_BRICKED_MS = 1_200_000;

export interface WorldOptions {
  readonly seed: string;
  /** In which things go wrong and rollouts are started. */
  readonly minutes: number;
  readonly devices: number;
  readonly gateways: number;
  /** What goes wrong; default: everything. */
  readonly faults?: readonly FaultKind[];
  /** A bug in product code that is switched on (`isPlanted`). */
  readonly planted?: string;
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
  readonly faults: FaultCounts;
  /** By named point. */
  readonly deaths: ReadonlyMap<string, number>;
  /** Sentences; none = every invariant held. */
  readonly violations: readonly string[];
  /** Whether product code came by the bug that was planted. */
  readonly wasPlantMet: boolean;
  /** SHA-256 of the history. */
  readonly digest: string;
}

export async function runWorld(options: WorldOptions): Promise<WorldResult> {
  let wasPlantMet = false;
  const isPlanted = (name: string): boolean => {
    if (name !== options.planted) return false;
    wasPlantMet = true;
    return true;
  };
  handleFaults({ passed: passPoint, isPlanted });
  try {
    await using world = await World.prepare(options);
    return { ...(await world.run()), wasPlantMet };
  } finally {
    handleFaults(null);
  }
}

class World implements AsyncDisposable {
  private readonly options: WorldOptions;
  private readonly time: VirtualTime;
  private readonly ground: CenterGround;
  private readonly outside: Life;
  private readonly storm: Storm;
  private readonly site: Site;
  private readonly hash = createHash("sha256");
  private readonly journal: JournalEntry[] = [];
  private readonly violations: string[] = [];
  private readonly lives = new Map<string, number>();
  private readonly forever = new AbortController().signal;
  private center: SimulatedCenter | null = null;
  private lineCount = 0;
  private stepCount = 0;

  private constructor(
    options: WorldOptions,
    time: VirtualTime,
    ground: CenterGround,
    releases: SimulatedReleases,
  ) {
    this.options = options;
    this.time = time;
    this.ground = ground;
    this.outside = new Life({
      time,
      who: "operator",
      role: "operator",
      aheadMs: () => 0,
      diesAt: () => false,
      onDeath: () => {},
    });
    const { seed, faults: kinds = ALL_FAULTS, logger = SILENT_LOGGER } = options;
    const record = (who: string, what: string): void => this.record(who, what);
    this.storm = new Storm({ life: this.outside, seed, kinds, record });
    this.site = new Site({
      seed,
      logger,
      storm: this.storm,
      releases,
      outside: this.outside,
      offerKey: ground.identity.offerSigner.publicKeyRaw,
      center: () => this.center,
      boot: (who, role, start) => this.boot(who, role, start),
      record,
      did: (device, operation) => {
        this.journal.push({ at: time.wallMs(), device, ...operation });
        this.record(device, deedOf(operation));
      },
      gaveUp: (life, error) => this.gaveUp(life, error),
    });
  }

  static async prepare(options: WorldOptions): Promise<World> {
    const { seed, folder, logger = SILENT_LOGGER, devices } = options;
    const time = new VirtualTime();
    const releases = simulatedReleases({ count: MAX_RELEASES, seed, nowMs: time.wallMs() });
    const registered = names("device", devices).map((id) => ({ id, region: REGION }));
    const center = { folder, clock: time, seed, releases, logger, devices: registered };
    return new World(options, time, await prepareCenter(center), releases);
  }

  async run(): Promise<Omit<WorldResult, "wasPlantMet">> {
    const { time, storm, site, options } = this;
    const stormMs = options.minutes * 60_000;
    const gateways = names("gateway", options.gateways);
    this.bootCenter();
    for (const id of gateways) site.addGateway(id);
    for (const id of names("device", options.devices)) site.addDevice(id, gateways);
    this.outside.setTimer(stormMs, () => {
      this.record("world", "is calm");
      storm.end();
    });
    const operator = new Operator({
      clock: this.outside,
      ask: (question) => this.ask(question),
      releaseCount: MAX_RELEASES,
      maxPauseMs: MAX_PAUSE_MS,
      random: new SeededRandom({ seed: options.seed, name: "operator" }),
      record: (what) => this.record("operator", what),
      calm: storm.calm,
    });
    if (!(await this.pass(operator.run(), stormMs + CALM_MS))) {
      this.violate("a rollout is still open long after the last fault");
    }
    await this.judge(operator);
    return {
      simulatedMs: time.monotonicMs(),
      steps: this.stepCount,
      lines: this.lineCount,
      rollouts: operator.ended,
      faults: storm.counts,
      deaths: storm.deathsByPoint,
      violations: this.violations,
      digest: this.hash.digest("hex"),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.ground[Symbol.asyncDispose]();
  }

  /** When what was still on its way has arrived. */
  private async judge(operator: Operator): Promise<void> {
    await this.pass(delay(this.outside, SETTLE_MS, this.forever), Infinity);
    const { journal, time } = this;
    const { observations } = operator;
    const reading = this.untilAnswered(
      async (api) => [await readAudit(api), await readRollouts(api)] as const,
    );
    await this.pass(reading, time.monotonicMs() + CALM_MS);
    const [audit, rollouts] = await reading;
    const offerLifetimeMs = OFFER_LIFETIME_MS;
    const history = { journal, audit, rollouts, observations, offerLifetimeMs };
    for (const { invariant, story } of checkAll(history)) this.violate(`${invariant}: ${story}`);
  }

  private async untilAnswered<Answer>(
    question: (api: ApiClient) => Promise<Answer>,
  ): Promise<Answer> {
    for (;;) {
      try {
        return await this.ask(question);
      } catch {
        await delay(this.outside, MAX_DOWN_MS, this.forever);
      }
    }
  }

  private bootCenter(): void {
    this.boot("center", "center", async (life, random) => {
      const onFailure = (error: unknown): void => this.gaveUp(life, error);
      this.center = await startSimulatedCenter({ life, ground: this.ground, random, onFailure });
      this.record("center", "is up");
    });
  }

  /** Now, and again after each death. */
  private boot(
    who: string,
    role: Role,
    start: (life: Life, random: SeededRandom) => Promise<void>,
  ): void {
    const { seed } = this.options;
    const count = (this.lives.get(who) ?? 0) + 1;
    this.lives.set(who, count);
    const random = new SeededRandom({ seed, name: `${who}, life ${count}` });
    const life = new Life({
      time: this.time,
      who,
      role,
      aheadMs: () => this.storm.aheadMs(who),
      diesAt: (point) => this.storm.diesAt(point),
      onDeath: (point) => {
        this.record(who, `dies at ${point}`);
        const downMs = random.next() * (point === BRICKED ? MAX_BRICKED_MS : MAX_DOWN_MS);
        this.outside.setTimer(downMs, () => this.boot(who, role, start));
      },
    });
    life.setTimer(0, () => {
      start(life, random).catch((error: unknown) => this.gaveUp(life, error));
    });
  }

  /** A process may end when its disk is spoilt; it is started again. */
  private gaveUp(life: Life, error: unknown): void {
    if (!isDiskFailure(error)) this.violate(`${life.who} gave up: ${said(error)}`);
    life.die(error instanceof Error ? error.message : "an error");
  }

  private async ask<Answer>(question: (api: ApiClient) => Promise<Answer>): Promise<Answer> {
    const { center, outside } = this;
    if (center === null || !center.life.isAlive) throw new Error("the center is down");
    const answer = await new Promise<Answer>((resolve, reject) => {
      const forget = center.life.atDeath(() => reject(new Error("the center died")));
      const asked = delay(center.life, API_DELAY_MS, this.forever).then(() => question(center.api));
      void asked.then(resolve, reject).finally(forget);
    });
    await delay(outside, API_DELAY_MS, this.forever);
    return answer;
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

  private violate(sentence: string): void {
    if (this.violations.includes(sentence)) return;
    this.violations.push(sentence);
    this.record("world", `is broken: ${sentence}`);
  }

  private record(who: string, what: string): void {
    const line = `${this.time.monotonicMs().toFixed(3)} ${who} ${what}`;
    this.lineCount++;
    this.hash.update(`${line}\n`);
    this.options.onLine?.(line);
  }
}

function deedOf(operation: Operation): string {
  const { op, rollout, generation } = operation;
  const what = op === "report" ? operation.report.phase : op === "ack" ? operation.sequence : "";
  return `does ${op} ${what} in generation ${generation} of rollout number ${rollout}`;
}

function names(kind: string, length: number): string[] {
  return Array.from({ length }, (_, index) => `${kind}-${index + 1}`);
}

function said(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
