// SPDX-License-Identifier: Apache-2.0
/** Whose analysis said what, with a memory of its own: no wave opens without a yes, or a person. */
import type { Verdict } from "../analysis.ts";
import type { RolloutEvent } from "../rollout-engine.ts";
import { must } from "./invariants.ts";
import type { PureRollout } from "./pure-rollout.ts";

interface Question {
  readonly wave: number;
  /** null: nobody has answered it. */
  verdict: Verdict | "overruled" | null;
}

export class AnalysisChecks {
  private readonly questions = new Map<PureRollout, Question>();

  asked(rollout: PureRollout, wave: number): void {
    const before = this.questions.get(rollout);
    must("analysis", before?.wave !== wave, `wave ${wave + 1} is asked about twice`);
    this.questions.set(rollout, { wave, verdict: null });
  }

  stepped(rollout: PureRollout, before: PureRollout["progress"], event: RolloutEvent): void {
    const { progress, frame, waves } = rollout;
    if (frame.spec.gate.analysis === null) return;
    const question = this.questions.get(rollout);
    if (event.kind === "resume" && question !== undefined && question.verdict !== null) {
      question.verdict = "overruled";
    }
    if (event.kind === "analysis-answered") answer(question, rollout, before, event);
    if (before.waveCount > 0 && progress.waveCount > before.waveCount) {
      mustAgree(question, progress.waveCount - 1);
    }
    if (progress.state === "succeeded" && before.state !== "succeeded") {
      mustAgree(question, waves.length);
    }
  }
}

function answer(
  question: Question | undefined,
  { progress }: PureRollout,
  before: PureRollout["progress"],
  { wave, verdict }: Extract<RolloutEvent, { kind: "analysis-answered" }>,
): void {
  const isOn = before.state === "running" || before.state === "paused";
  if (question === undefined || question.wave !== wave || question.verdict !== null || !isOn) {
    must("analysis", progress.state === before.state, "an answer that nobody waits for counts");
    return;
  }
  question.verdict = verdict;
  const mayRun = verdict === "success" || progress.state !== "running";
  must("analysis", mayRun, `it runs on, though the analysis says ${verdict}`);
}

function mustAgree(question: Question | undefined, wave: number): void {
  const { verdict = null } = question?.wave === wave ? question : {};
  const isAgreed = verdict === "success" || verdict === "overruled";
  must("analysis", isAgreed, `it goes on to wave ${wave + 1}, and the analysis says ${verdict}`);
}
