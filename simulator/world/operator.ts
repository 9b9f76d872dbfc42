// SPDX-License-Identifier: Apache-2.0
/**
 * The operator of a simulated world: rolls one release out after the other over the center's API,
 * stops, pauses, resumes and puts back as drawn, and looks at each rollout until it has ended, its
 * rollback included. Acts on what it sees, again and again: a center that crashed in between is
 * asked again when it is back.
 */
import { delay, type Clock } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import { RolloutState, type Rollout } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import type { Observation } from "../checkers/history.ts";
import { stateOf, type ApiClient } from "../checkers/read-rollouts.ts";
import { drawIntent, type Action, type Intent } from "./intent.ts";
import { TENANT } from "./simulated-releases.ts";

const LOOK_EVERY_MS = 10_000;
/** Until everybody is there for the first time. */
const FIRST_PAUSE_MS = 60_000;

export interface RolloutEnd {
  readonly name: string;
  /** As in documents: `rolled-back`. */
  readonly state: string;
  readonly tookMs: number;
  readonly exposed: number;
  readonly maxUnproven: number;
}

export interface OperatorOptions {
  readonly clock: Clock;
  /** Asks the center that is up; rejects when there is none, and when it dies before it answers. */
  readonly ask: <Answer>(question: (api: ApiClient) => Promise<Answer>) => Promise<Answer>;
  readonly releaseCount: number;
  /** Between the end of a rollout and the next, at most. */
  readonly maxPauseMs: number;
  readonly random: Random;
  readonly record: (what: string) => void;
  /** Aborted when the rollout that is open is to be the last. */
  readonly calm: AbortSignal;
}

export class Operator {
  readonly ended: RolloutEnd[] = [];
  readonly observations: Observation[] = [];
  private readonly options: OperatorOptions;
  private readonly forever = new AbortController().signal;

  constructor(options: OperatorOptions) {
    this.options = options;
  }

  /** Rolls out until it is calm; resolves when the last rollout has ended. */
  async run(): Promise<void> {
    const { clock, random, calm, releaseCount, maxPauseMs } = this.options;
    await delay(clock, FIRST_PAUSE_MS, this.forever);
    for (let number = 1; number <= releaseCount && !calm.aborted; number++) {
      await this.rollOut(`rollout-${number}`, drawIntent(`app@${number}`, random));
      await delay(clock, random.next() * maxPauseMs, calm).catch(() => undefined);
    }
  }

  private async rollOut(name: string, intent: Intent): Promise<void> {
    const { clock, record } = this.options;
    const startedAtMs = clock.monotonicMs();
    const attempt = new RolloutAttempt(intent, startedAtMs);
    record(`wants ${name}: ${JSON.stringify(intent, asText)}`);
    for (let before = ""; ;) {
      const rollout = await this.look(name);
      if (rollout !== null) {
        const said = whatIsSeen(rollout);
        if (said !== before) record(`sees ${name} ${said}`);
        before = said;
      }
      if (rollout !== null && (await this.isOver(rollout))) return this.note(rollout, startedAtMs);
      const next = attempt.next(rollout, clock.monotonicMs());
      if (next === null) await delay(clock, LOOK_EVERY_MS, this.forever);
      else await this.act(name, next, intent);
    }
  }

  /** Null = there is none of that name, or nobody answers. */
  private async look(name: string): Promise<Rollout | null> {
    const { ask } = this.options;
    try {
      const { rollout } = await ask((api) => api.getRollout({ tenant: TENANT, name }));
      if (rollout?.progress !== undefined) {
        const { byState, unproven } = rollout.progress;
        this.observations.push({ rollout: rollout.number, byState, unproven });
      }
      return rollout ?? null;
    } catch {
      return null;
    }
  }

  private async act(name: string, step: Step, { spec }: Intent): Promise<void> {
    const { ask, clock, record } = this.options;
    const named = { tenant: TENANT, name };
    try {
      await ask(async (api): Promise<unknown> => {
        if (step === "apply") return await api.applyRollout({ ...named, spec });
        if (step === "plan") return await api.planRollout(named);
        if (step === "start") return await api.startRollout(named);
        if (step === "pause") return await api.pauseRollout(named);
        if (step === "resume") return await api.resumeRollout(named);
        if (step === "stop") return await api.stopRollout(named);
        return await api.rollbackRollout(named);
      });
      record(`does ${step} ${name}`);
      // A gate may pause it again at once; nobody resumes it again before having looked.
      if (step === "resume") await delay(clock, LOOK_EVERY_MS, this.forever);
    } catch (error) {
      record(`cannot ${step} ${name}: ${error instanceof Error ? error.message : String(error)}`);
      await delay(clock, LOOK_EVERY_MS, this.forever);
    }
  }

  /** With the rollback, when it has one. */
  private async isOver(rollout: Rollout): Promise<boolean> {
    if (!hasEnded(rollout)) return false;
    if (rollout.child === "") return true;
    const child = await this.look(rollout.child);
    return child !== null && hasEnded(child);
  }

  private note(rollout: Rollout, startedAtMs: number): void {
    const { exposed = 0, maxUnproven = 0 } = rollout.progress ?? {};
    const tookMs = this.options.clock.monotonicMs() - startedAtMs;
    const { name } = rollout;
    this.ended.push({ name, state: stateOf(rollout.state), tookMs, exposed, maxUnproven });
  }
}

type Step = "apply" | "plan" | "start" | Action;

/** What is to be done about one rollout next. */
class RolloutAttempt {
  private readonly intent: Intent;
  private readonly wantedAtMs: number;
  private done = 0;

  constructor(intent: Intent, wantedAtMs: number) {
    this.intent = intent;
    this.wantedAtMs = wantedAtMs;
  }

  next(rollout: Rollout | null, nowMs: number): Step | null {
    if (rollout === null) return "apply";
    if (rollout.state === RolloutState.DRAFT) return "plan";
    if (rollout.state === RolloutState.PLANNED) return "start";
    const due = this.intent.actions[this.done];
    if (due !== undefined && nowMs >= this.wantedAtMs + due.afterMs) {
      this.done++;
      return due.action;
    }
    if (rollout.state !== RolloutState.PAUSED || due !== undefined) return null;
    return this.intent.whenPaused;
  }
}

const ENDED: ReadonlySet<RolloutState> = new Set([
  RolloutState.SUCCEEDED,
  RolloutState.STOPPED,
  RolloutState.ROLLED_BACK,
  RolloutState.EXPIRED,
]);

function hasEnded({ state }: Rollout): boolean {
  return ENDED.has(state);
}

function whatIsSeen({ state, stateReason, progress }: Rollout): string {
  const counts = Object.entries(progress?.byState ?? {}).filter(([, count]) => count > 0);
  const sorted = counts.toSorted(([one], [other]) => (one < other ? -1 : 1));
  const why = stateReason === "" ? "" : `, because ${stateReason}`;
  return `${stateOf(state)} ${sorted.map(([name, count]) => `${count} ${name}`).join(", ")}${why}`;
}

/** For JSON, which knows no bigint. */
function asText(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? Number(value) : value;
}
