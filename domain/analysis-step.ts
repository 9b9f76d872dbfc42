// SPDX-License-Identifier: Apache-2.0
/**
 * What the engine does with an analysis from outside: asks once for each wave, waits, and lets the
 * answer open the wave, stop the rollout or pause it. A resume is the decision of a person, who has
 * seen the answer: the wave opens without another question.
 */
import type { AnalysisPolicy, Verdict } from "./analysis.ts";
import type { RolloutProgress } from "./rollout.ts";

/** POST the question of this wave, and bring back the answer as an event. */
export interface AskAnalysis {
  readonly kind: "ask-analysis";
  readonly wave: number;
}

export interface AnalysisAnswered {
  readonly kind: "analysis-answered";
  readonly wave: number;
  readonly verdict: Verdict;
  /** In the words of whoever was asked; why there is no answer where nobody answered. */
  readonly reason: string;
}

/** null: nobody has to be asked any more before this wave opens. */
export function askFirst(
  policy: AnalysisPolicy | null,
  progress: RolloutProgress,
  wave: number,
): { progress: RolloutProgress; effects: AskAnalysis[] } | null {
  if (policy === null) return null;
  const stateReason = `waiting for the analysis at ${policy.url}`;
  const { analysis } = progress;
  if (analysis?.wave !== wave) {
    return {
      progress: {
        ...progress,
        stateReason,
        analysis: { wave, state: "asked", atMs: progress.clockMs, reason: "" },
      },
      effects: [{ kind: "ask-analysis", wave }],
    };
  }
  if (analysis.state !== "asked") return null;
  return { progress: { ...progress, stateReason }, effects: [] };
}

/** null: the question is not open (any more); its answer changes nothing. */
export function takeAnswer(
  policy: AnalysisPolicy | null,
  progress: RolloutProgress,
  { wave, verdict, reason }: AnalysisAnswered,
): { progress: RolloutProgress; why: string } | null {
  const { analysis, state } = progress;
  if (policy === null || analysis?.state !== "asked" || analysis.wave !== wave) return null;
  if (state !== "running" && state !== "paused") return null;
  const why = `analysis at ${policy.url} says ${verdict}${reason === "" ? "" : `: ${reason}`}`;
  const answered = { wave, state: verdict, atMs: progress.clockMs, reason };
  return { progress: { ...progress, analysis: answered }, why };
}

/** A resume: whatever the answer was, the person has decided. An open question stays open. */
export function overrule(analysis: RolloutProgress["analysis"]): RolloutProgress["analysis"] {
  if (analysis === null || analysis.state === "asked") return analysis;
  return { ...analysis, state: "overruled" };
}
