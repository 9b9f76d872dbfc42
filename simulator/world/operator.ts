// SPDX-License-Identifier: Apache-2.0
/**
 * The operator of a simulated world, who is its judge too: rolls one release out after the other
 * over the center's API, looks at each until it has ended, and compares what the center says with
 * what the devices really run.
 */
import { delay, type Clock } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import { RolloutState, type Rollout } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import type { SimulatedAgent } from "./simulated-agent.ts";
import type { SimulatedCenter } from "./simulated-center.ts";
import { TENANT, type SimulatedReleases } from "./simulated-releases.ts";

const LOOK_EVERY_MS = 2_000;
const MAX_PAUSE_MS = 1_200_000;
/** Until everybody is there for the first time. */
const FIRST_PAUSE_MS = 60_000;

const ENDED: ReadonlySet<RolloutState> = new Set([
  RolloutState.SUCCEEDED,
  RolloutState.STOPPED,
  RolloutState.ROLLED_BACK,
]);

export interface RolloutEnd {
  readonly name: string;
  /** As in the API: `SUCCEEDED`. */
  readonly state: string;
  readonly tookMs: number;
  readonly maxInFlight: number;
  readonly maxUnproven: number;
}

export interface OperatorOptions {
  readonly clock: Clock;
  readonly center: SimulatedCenter;
  readonly agents: readonly SimulatedAgent[];
  readonly releases: SimulatedReleases;
  readonly random: Random;
  readonly record: (what: string) => void;
  /** Aborted when the last rollout is to be the last. */
  readonly calm: AbortSignal;
}

export class Operator {
  readonly ended: RolloutEnd[] = [];
  readonly violations: string[] = [];
  private readonly options: OperatorOptions;
  private readonly forever = new AbortController().signal;

  constructor(options: OperatorOptions) {
    this.options = options;
  }

  violate(sentence: string): void {
    if (this.violations.includes(sentence)) return;
    this.violations.push(sentence);
    this.options.record(`sees that ${sentence}`);
  }

  /** Rolls out until it is calm; resolves when the last rollout has ended. */
  async run(): Promise<void> {
    const { clock, random, calm, releases } = this.options;
    await delay(clock, FIRST_PAUSE_MS, this.forever);
    for (const [index, digest] of releases.digests.entries()) {
      await this.rollOut(`rollout-${index + 1}`, `app@${index + 1}`, digest);
      if (calm.aborted) return;
      await delay(clock, random.next() * MAX_PAUSE_MS, this.forever);
    }
  }

  private async rollOut(name: string, release: string, digest: string): Promise<void> {
    const { center, clock, record } = this.options;
    const named = { tenant: TENANT, name };
    const startedAtMs = clock.monotonicMs();
    await center.api.applyRollout({
      ...named,
      spec: {
        release,
        waves: [percent(10), percent(40)],
        maxInFlight: percent(20),
        blastRadius: percent(40),
        soakMs: 60_000n,
      },
    });
    await center.api.planRollout(named);
    await center.api.startRollout(named);
    record(`starts ${name}`);
    const rollout = await this.watch(name);
    const state = wordOf(rollout.state);
    const { maxUnproven = 0 } = rollout.progress ?? {};
    const tookMs = clock.monotonicMs() - startedAtMs;
    this.ended.push({ name, state, tookMs, maxInFlight: this.mostInFlight, maxUnproven });
    record(`sees ${name} end ${state}`);
    await this.judge(rollout, digest);
  }

  private mostInFlight = 0;

  /** Looks again and again; answers the rollout when it has ended. */
  private async watch(name: string): Promise<Rollout> {
    const { center, clock, record } = this.options;
    let before = "";
    this.mostInFlight = 0;
    for (;;) {
      const { rollout } = await center.api.getRollout({ tenant: TENANT, name });
      if (rollout?.progress !== undefined) {
        this.checkLimits(rollout);
        this.mostInFlight = Math.max(this.mostInFlight, rollout.progress.inFlight);
        const said = JSON.stringify(sorted(rollout.progress.byState));
        if (said !== before) record(`sees ${name} ${wordOf(rollout.state)} ${said}`);
        before = said;
        if (ENDED.has(rollout.state)) return rollout;
      }
      await delay(clock, LOOK_EVERY_MS, this.forever);
    }
  }

  /** `maxUnproven` is the most at the end of any cycle of the rollout loop. */
  private checkLimits({ name, plan, progress }: Rollout): void {
    if (plan === undefined || progress === undefined) return;
    const { maxInFlight, blastRadiusBound } = plan;
    const { inFlight, maxUnproven } = progress;
    if (inFlight > maxInFlight) {
      this.violate(`${name} has ${inFlight} devices in flight; its plan allows ${maxInFlight}`);
    }
    if (maxUnproven > blastRadiusBound) {
      this.violate(
        `${name} had ${maxUnproven} unproven devices; its plan allows ${blastRadiusBound}`,
      );
    }
  }

  /** No release of this world is bad: every rollout succeeds, on every device. */
  private async judge({ name, state, stateReason, spec }: Rollout, digest: string): Promise<void> {
    if (state !== RolloutState.SUCCEEDED) {
      this.violate(`${name} ended ${wordOf(state)}: ${stateReason}`);
      return;
    }
    const version = (spec?.release ?? "").split("@")[1] ?? "";
    for (const agent of this.options.agents) {
      const says = agent.runningDigest() === digest;
      const holds = (await agent.runningFile())?.startsWith(`version ${version}\n`) === true;
      if (!says) this.violate(`${name} succeeded, but ${agent.id} does not say that it runs it`);
      if (!holds) this.violate(`${name} succeeded, but ${agent.id} does not have its file`);
    }
  }
}

function wordOf(state: RolloutState): string {
  const found = Object.entries(RolloutState).find(([, value]) => value === state);
  return found?.[0] ?? String(state);
}

function percent(value: number): { kind: { case: "percent"; value: number } } {
  return { kind: { case: "percent", value } };
}

function sorted(counts: { readonly [state: string]: number }): [string, number][] {
  return Object.entries(counts).toSorted(([one], [other]) => (one < other ? -1 : 1));
}
