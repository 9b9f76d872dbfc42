// SPDX-License-Identifier: Apache-2.0
/**
 * Who acts on the rollouts of a history: operators who approve, start, pause, resume and stop, and
 * whoever the analysis is asked of.
 */
import type { Verdict } from "../analysis.ts";
import { needsEvidence } from "../subject.ts";
import { mayStop } from "../rollout-engine.ts";
import type { SeededRandom } from "../seeded-random.ts";
import type { PureCenter } from "./pure-center.ts";
import type { PureRollout } from "./pure-rollout.ts";

const PATIENCE_TICKS = 150;
const VERDICTS: readonly Verdict[] = ["success", "success", "success", "failure", "inconclusive"];

interface Question {
  readonly rollout: PureRollout;
  readonly wave: number;
}

export class People {
  private readonly center: PureCenter;
  /** Not those that put devices back: nobody commands them. */
  private readonly rollouts: readonly PureRollout[];
  private readonly random: SeededRandom;
  /** What has succeeded they often take back. */
  private readonly areRegretful: boolean;
  private readonly judged = new Set<PureRollout>();
  private questions: Question[] = [];

  constructor(options: {
    center: PureCenter;
    rollouts: readonly PureRollout[];
    random: SeededRandom;
    areRegretful: boolean;
  }) {
    this.center = options.center;
    this.rollouts = options.rollouts;
    this.random = options.random;
    this.areRegretful = options.areRegretful;
  }

  asked(rollout: PureRollout, wave: number): void {
    this.questions.push({ rollout, wave });
  }

  /** What does not have to wait for a command: approvals, first starts, answers. */
  tick(): void {
    const { random } = this;
    for (const rollout of this.rollouts) {
      this.moveOn(rollout, 0.05);
      if (this.rollouts.length > 1) this.hesitate(rollout);
      if (this.areRegretful && rollout.progress.state === "succeeded") this.regret(rollout);
    }
    for (const question of this.questions.filter(() => random.chance(0.2))) {
      const { rollout, wave } = question;
      // Now and then what is said is about the wave before.
      if (wave > 1 && random.chance(0.3)) this.answer(rollout, wave - 1);
      this.answer(rollout, wave);
      // Now and then somebody answers twice, and later.
      if (random.chance(0.3)) continue;
      this.questions = this.questions.filter((other) => other !== question);
    }
  }

  private answer(rollout: PureRollout, wave: number): void {
    const verdict = this.random.pick(VERDICTS);
    this.center.step(rollout, { kind: "analysis-answered", wave, verdict, reason: "" });
  }

  /** One of two is paused for a while, and the other goes on. */
  private hesitate(rollout: PureRollout): void {
    const { state } = rollout.progress;
    if (state === "running" && this.random.chance(0.02)) {
      this.center.step(rollout, { kind: "pause", why: "by hand" });
    } else if (state === "paused" && this.random.chance(0.05)) {
      this.center.step(rollout, { kind: "resume" });
    }
  }

  /** Somebody takes it back now, if it may be. */
  rollBack(rollout: PureRollout): void {
    this.stop(rollout, true);
  }

  /** Once a rollout. */
  private regret(rollout: PureRollout): void {
    if (this.judged.has(rollout)) return;
    this.judged.add(rollout);
    if (this.random.chance(0.5)) this.stop(rollout, true);
  }

  private moveOn(rollout: PureRollout, chance: number): void {
    const { state } = rollout.progress;
    if (state !== "planned" && state !== "awaiting-approval") return;
    if (!this.random.chance(chance)) return;
    if (this.random.chance(0.1)) return this.stop(rollout, false);
    if (state === "planned") return this.center.step(rollout, { kind: "start" });
    this.center.step(rollout, { kind: "approve", why: "by another" });
  }

  /** Drawn by `random`: whether it pauses, resumes or stops. */
  command(random: SeededRandom): void {
    const rollout = this.random.pick(this.rollouts);
    const { state } = rollout.progress;
    const dice = random.below(10);
    if (dice < 4 && state === "running") {
      this.center.step(rollout, { kind: "pause", why: "by hand" });
    } else if (dice < 9 && state === "paused") this.center.step(rollout, { kind: "resume" });
    else if (dice === 9 && random.chance(0.5)) this.stop(rollout, random.chance(0.5));
    else if (state === "succeeded" && random.chance(0.5)) this.stop(rollout, true);
  }

  private stop(rollout: PureRollout, rollback: boolean): void {
    if (!mayStop(rollout.progress.state, rollback) || (rollback && !mayGoBack(rollout))) return;
    this.center.step(rollout, { kind: "stop", why: "by hand", rollback });
  }

  /**
   * At the end: what waits for a person is started, what is paused is resumed for a while, then
   * given up; and a rollout that waits for ever (devices that died with an offer may hold the whole
   * blast radius) is stopped, too.
   */
  pressOn(tick: number): void {
    for (const rollout of this.rollouts) this.moveOn(rollout, 1);
    for (const paused of this.center.rollouts) {
      if (paused.progress.state !== "paused") continue;
      if (tick < PATIENCE_TICKS) this.center.step(paused, { kind: "resume" });
      else {
        const rollback = needsEvidence(paused.frame.spec);
        this.center.step(paused, { kind: "stop", why: "by hand", rollback });
      }
    }
    if (tick !== 10 * PATIENCE_TICKS) return;
    for (const rollout of this.rollouts) {
      if (rollout.progress.state === "running") this.stop(rollout, mayGoBack(rollout));
    }
  }
}

/** A command leaves nothing to put back; nor is anything put back twice. */
function mayGoBack({ frame, child }: PureRollout): boolean {
  return needsEvidence(frame.spec) && child === null;
}
