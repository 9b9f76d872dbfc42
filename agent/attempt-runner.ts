// SPDX-License-Identifier: Apache-2.0
/**
 * Runs one slot's attempt from wherever the journal says it stands. Every step boundary is durable
 * before the next step begins, so a power cut repeats at most the step it fell into.
 *
 * Failure turns the attempt round: its steps become the way back, and that way is walked until it
 * is done, whatever it takes. An outcome is decided in the journal first, then written to the
 * outbox, then the attempt leaves the journal: reports cannot say what was not decided.
 */
import { AssertionError } from "node:assert";
import assert from "node:assert/strict";
import { describeError, isMusterError } from "../domain/errors.ts";
import type { DeviceReport, ReportPhase, ReportReason } from "../protocol/device/report.ts";
import type { Slot } from "../protocol/device/status.ts";
import { resumeIndex, undo } from "./diff.ts";
import type { Outbox } from "./reports/outbox.ts";
import type { Retrier } from "./retrier.ts";
import type { Evidence } from "./slots/evidence.ts";
import type { AttemptState, Outcome } from "./state/journal-state.ts";
import { keepSeeds } from "./download/seed-store.ts";
import { interruptedRun } from "./steps/run.ts";
import { removeUnusedDownloads } from "./steps/clean-downloads.ts";
import { runStep } from "./steps/step-table.ts";
import { STAGES } from "./steps/step.ts";
import type { Stage, Step } from "./steps/step.ts";
import type { StepContext, StepResult, StepTools } from "./steps/step-context.ts";
import { failed } from "./steps/step-context.ts";

/**
 * How often the agent may start without getting beyond the step it installs or activates: what
 * takes the device down every time is rolled back.
 */
export const STARTS_MAX = 3;

export interface AttemptSignals {
  readonly interrupt: AbortSignal;
  readonly halt: AbortSignal;
}

/** Told what ran, for metrics. */
export interface AttemptObserver {
  stepEnded(step: Step, durationMs: number): void;
  attemptEnded(slot: Slot, outcome: Outcome): void;
}

export class AttemptRunner {
  readonly #tools: StepTools;
  readonly #slot: Slot;
  readonly #outbox: Outbox;
  readonly #evidence: Evidence;
  readonly #retrier: Retrier;
  readonly #observer: AttemptObserver;

  constructor(options: {
    tools: StepTools;
    slot: Slot;
    outbox: Outbox;
    evidence: Evidence;
    retrier: Retrier;
    observer: AttemptObserver;
  }) {
    this.#tools = options.tools;
    this.#slot = options.slot;
    this.#outbox = options.outbox;
    this.#evidence = options.evidence;
    this.#retrier = options.retrier;
    this.#observer = options.observer;
  }

  /** Once after the agent has started: counts the start and finds the step to go on with. */
  async resume(halt: AbortSignal): Promise<void> {
    const { attempt } = this.#tools.journal.slot(this.#slot);
    if (attempt === null || attempt.outcome !== null) return;
    const cutShort = await interruptedRun(attempt, this.#tools.bootId);
    if (cutShort !== null) {
      // At most once: how far it came is not known, so it is not begun again.
      await this.#durably(halt, () => this.#update((before) => ({ ...before, outcome: cutShort })));
      return;
    }
    const stage = stageOf(attempt);
    const goesForward = attempt.undoing === null;
    const mayLoop = goesForward && (stage === "install" || stage === "activate");
    const startCount = mayLoop ? attempt.startCount + 1 : 0;
    const stepIndex = resumeIndex(attempt.steps, attempt.stepIndex);
    this.#tools.logger.info("Going on with the attempt that was under way.", {
      slot: this.#slot,
      generation: attempt.offer.generation,
      step: attempt.steps[stepIndex]?.kind,
      startCount,
    });
    await this.#durably(halt, () =>
      this.#update((before) => ({ ...before, stepIndex, startCount })),
    );
    if (startCount <= STARTS_MAX) return;
    const step = attempt.steps[attempt.stepIndex]?.kind ?? "the last step";
    const detail = `the agent started ${startCount} times without getting beyond ${step}`;
    await this.#turnRound({ phase: "rolled-back", reason: "crash-loop", detail }, halt);
  }

  /** Runs to the end, or until a signal says to stop at the next boundary. */
  async advance(signals: AttemptSignals): Promise<"ended" | "interrupted"> {
    const { interrupt, halt } = signals;
    for (;;) {
      const attempt = this.#attempt();
      if (attempt.outcome !== null) {
        await this.#finish(attempt, attempt.outcome, halt);
        return "ended";
      }
      // The way back is walked to its end even where newer work waits; only the end of the agent
      // stops it.
      const stop = attempt.undoing === null ? AbortSignal.any([interrupt, halt]) : halt;
      if (stop.aborted) return "interrupted";
      const step = attempt.steps[attempt.stepIndex];
      if (step === undefined) {
        await this.#decideUndone(attempt, halt);
        continue;
      }
      await this.#sayPhaseOf(attempt, step, halt);
      const result = await this.#run(step, { interrupt: stop, halt });
      if (result === null) return "interrupted";
      await this.#proceed(attempt, step, { result, halt });
    }
  }

  /** Newer work is to come: takes back what was begun, and ends the attempt as superseded. */
  async supersede(by: number, halt: AbortSignal): Promise<"ended" | "interrupted"> {
    const attempt = this.#attempt();
    if (attempt.outcome === null && attempt.undoing === null) {
      const detail = `generation ${by} was accepted for the slot`;
      await this.#turnRound({ phase: "superseded", detail }, halt);
    }
    return this.advance({ interrupt: halt, halt });
  }

  #attempt(): AttemptState {
    const { attempt } = this.#tools.journal.slot(this.#slot);
    assert(attempt !== null, "the slot has an attempt");
    return attempt;
  }

  /** Null when the step was interrupted. */
  async #run(step: Step, signals: AttemptSignals): Promise<StepResult | null> {
    const { clock } = this.#tools;
    const startedMs = clock.monotonicMs();
    try {
      return await runStep(this.#context(signals), step);
    } catch (error) {
      if (signals.interrupt.aborted || signals.halt.aborted) return null;
      return this.#failureOf(step, error);
    } finally {
      this.#observer.stepEnded(step, clock.monotonicMs() - startedMs);
    }
  }

  #context(signals: AttemptSignals): StepContext {
    const { offer } = this.#attempt();
    const sayWaiting = (reason: ReportReason): Promise<void> =>
      this.#say("waiting", signals.halt, { reason });
    const sayOutput = (text: string): Promise<void> => this.#sayOutput(text, signals.halt);
    const context = { ...this.#tools, ...signals, slot: this.#slot, offer };
    return { ...context, sayWaiting, sayOutput };
  }

  #failureOf(step: Step, error: unknown): StepResult {
    // A broken invariant ends the process; what crashes it every time is rolled back by the count.
    if (error instanceof AssertionError) throw error;
    this.#tools.logger.warn("A step failed.", { slot: this.#slot, step: step.kind, error });
    const text = isMusterError(error) ? describeError(error) : "unexpected failure; see the log";
    const isFull = isMusterError(error) && error.code === "no_space";
    return failed(isFull ? "no-space" : "internal", `${step.kind}: ${text}`);
  }

  async #proceed(
    attempt: AttemptState,
    step: Step,
    options: { result: StepResult; halt: AbortSignal },
  ): Promise<void> {
    const { result, halt } = options;
    if (result.kind === "failed") {
      if (attempt.undoing === null) {
        const { reason, detail } = result;
        return this.#turnRound({ phase: phaseOfFailure(attempt), reason, detail }, halt);
      }
      this.#tools.logger.error("A step of the way back failed.", {
        slot: this.#slot,
        step: step.kind,
        detail: result.detail,
      });
      // A service that does not restart must not keep the device between two versions.
      if (step.kind !== "service") return this.#retrier.pause(halt);
    }
    if (step.kind === "switch") await this.#evidence.measure(this.#slot, halt);
    // Their outcome is in the journal already.
    if (step.kind === "commit" || step.kind === "run") return;
    if (step.kind === "verify") await this.#say("downloaded", halt);
    await this.#durably(halt, () => this.#update(advanced));
  }

  /** From here on the attempt leads back. */
  async #turnRound(outcome: Outcome, halt: AbortSignal): Promise<void> {
    const attempt = this.#attempt();
    const { sides } = this.#tools.journal.slot(this.#slot);
    const former = attempt.from === "none" ? null : sides[attempt.from];
    const steps = undo({ ...attempt, formerServices: former?.services ?? [] });
    this.#tools.logger.warn("The attempt does not go on; taking back what was begun.", {
      slot: this.#slot,
      generation: attempt.offer.generation,
      ...outcome,
    });
    if (outcome.reason === "no-space") await this.#freeSpace(attempt);
    // With nothing to take back the device is simply where it was.
    const phase = outcome.phase === "rolled-back" && steps.length === 0 ? "failed" : outcome.phase;
    const undoing = { ...outcome, phase };
    const fresh = { stepIndex: 0, furthestIndex: 0, startCount: 0 };
    await this.#durably(halt, () =>
      this.#update((before) => ({ ...before, ...fresh, steps, undoing })),
    );
  }

  /** A full disk could keep even the journal from being written: what is staged goes first. */
  async #freeSpace(attempt: AttemptState): Promise<void> {
    const { files, layout, journal } = this.#tools;
    if (stageOf(attempt) === "activate") return; // What is staged may be what runs.
    const begun = attempt.steps.slice(0, attempt.furthestIndex + 1);
    const staged = begun.find((step) => step.kind === "stage-clean");
    if (staged !== undefined && journal.slot(this.#slot).active !== staged.side) {
      await files.remove(layout.sideFolder(this.#slot, staged.side));
    }
    for (const step of attempt.steps) {
      if (step.kind === "download") await files.remove(`${layout.download(step.sha256)}.part`);
    }
  }

  async #decideUndone(attempt: AttemptState, halt: AbortSignal): Promise<void> {
    const { undoing } = attempt;
    assert(undoing !== null, "only the way back ends without a commit");
    await this.#durably(halt, () => this.#update((before) => ({ ...before, outcome: undoing })));
  }

  /** Outcome decided → its report durable → the attempt is history. */
  async #finish(attempt: AttemptState, outcome: Outcome, halt: AbortSignal): Promise<void> {
    const { journal, logger, clock } = this.#tools;
    // What was kept has been measured since the switch; what was returned to has not.
    if (outcome.phase !== "installed") await this.#evidence.measure(this.#slot, halt);
    this.#evidence.announce();
    const { digest } = this.#evidence.status(this.#slot);
    const { rollout, position, generation } = attempt.offer;
    const draft = { rollout, position, generation, ...outcome, digest, atMs: atMs(clock.wallMs()) };
    const answer = await this.#durably(halt, () => this.#outbox.add(draft, { isLast: true }));
    // Before the attempt is history: then nothing else would know that they are wanted.
    if (outcome.phase === "installed") await keepSeeds(this.#tools, this.#slot, attempt.steps);
    await this.#durably(halt, () =>
      journal.updateSlot(this.#slot, (state) => ({
        ...state,
        attempt: null,
        answer: newerAnswer(state.answer, answer),
      })),
    );
    logger.info("The attempt has ended.", { slot: this.#slot, generation, ...outcome, digest });
    this.#observer.attemptEnded(this.#slot, outcome);
    await removeUnusedDownloads(this.#tools);
  }

  async #sayPhaseOf(attempt: AttemptState, step: Step, halt: AbortSignal): Promise<void> {
    const { rollout, generation } = attempt.offer;
    if (!this.#outbox.knows(rollout, generation)) await this.#say("accepted", halt);
    const stage = STAGES[step.kind];
    if (stage === "fetch" && attempt.phase === "accepted") await this.#say("downloading", halt);
    const installs = stage === "install" || stage === "activate";
    if (installs && attempt.phase !== "installing") await this.#say("installing", halt);
  }

  /** Report first, journal second: a power cut in between says it twice, never not at all. */
  async #say(
    phase: ReportPhase,
    halt: AbortSignal,
    why: Pick<DeviceReport, "reason"> = {},
  ): Promise<void> {
    const { rollout, position, generation } = this.#attempt().offer;
    const { digest } = this.#evidence.status(this.#slot);
    const draft = { rollout, position, generation, phase, digest, ...why };
    const withTime = { ...draft, atMs: atMs(this.#tools.clock.wallMs()) };
    await this.#durably(halt, () => this.#outbox.add(withTime, { isLast: false }));
    await this.#durably(halt, () => this.#update((attempt) => ({ ...attempt, phase })));
  }

  async #sayOutput(detail: string, halt: AbortSignal): Promise<void> {
    const { rollout, position, generation } = this.#attempt().offer;
    const draft = { rollout, position, generation, phase: "output" as const, detail };
    await this.#durably(halt, () => this.#outbox.add(draft, { isLast: false }));
  }

  #update(change: (attempt: AttemptState) => AttemptState): Promise<AttemptState> {
    return this.#tools.journal.updateAttempt(this.#slot, change);
  }

  /** Bookkeeping has no way to fail: it is tried until the disk takes it. */
  #durably<T>(halt: AbortSignal, write: () => Promise<T>): Promise<T> {
    return this.#retrier.untilDone("write down what the agent does", write, halt);
  }
}

function advanced(attempt: AttemptState): AttemptState {
  const stepIndex = attempt.stepIndex + 1;
  const furthestIndex = Math.max(attempt.furthestIndex, stepIndex);
  const startCount = furthestIndex > attempt.furthestIndex ? 0 : attempt.startCount;
  return { ...attempt, stepIndex, furthestIndex, startCount };
}

/** The stage of the furthest step; undo when the attempt leads back. */
function stageOf(attempt: AttemptState): Stage {
  const step = attempt.steps[attempt.furthestIndex];
  return step === undefined ? "undo" : STAGES[step.kind];
}

function phaseOfFailure(attempt: AttemptState): "failed" | "rolled-back" {
  const stage = stageOf(attempt);
  return stage === "fetch" || stage === "wait" ? "failed" : "rolled-back";
}

/** Newer work may have been refused while the attempt was under way; that answer stays. */
function newerAnswer(before: DeviceReport | null, answer: DeviceReport): DeviceReport {
  return before !== null && before.generation > answer.generation ? before : answer;
}

/** The protocol has no time before 1970, where a device without a battery may begin. */
function atMs(wallMs: number): number {
  return Math.max(0, Math.floor(wallMs));
}
