// SPDX-License-Identifier: Apache-2.0
/**
 * What the engine does with an analysis from outside: asks once for each wave, waits, and lets the
 * answer open the wave, stop the rollout or pause it. A resume is the decision of a person, who has
 * seen the answer: the wave opens without another question.
 */
import type { AnalysisPolicy, Verdict } from "./analysis.ts";
import type { RolloutProgress } from "./rollout.ts";

type IsPlanted = (name: string) => boolean;
const IS_NONE_PLANTED: IsPlanted = () => false;

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

/**
 * null: nobody has to be asked any more before this wave opens. `isPlanted`: test-only switches for
 * planted bugs, here and below; false in production.
 */
export function askFirst(
  policy: AnalysisPolicy | null,
  progress: RolloutProgress,
  wave: number,
  isPlanted: IsPlanted = IS_NONE_PLANTED,
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
  // The planted bug: whoever has been asked need not answer.
  if (analysis.state !== "asked" || isPlanted("analysis.silence-is-yes")) return null;
  return { progress: { ...progress, stateReason }, effects: [] };
}

/** null: the question is not open (any more); its answer changes nothing. */
export function takeAnswer(
  policy: AnalysisPolicy | null,
  progress: RolloutProgress,
  { wave, verdict, reason }: AnalysisAnswered,
  isPlanted: IsPlanted = IS_NONE_PLANTED,
): { progress: RolloutProgress; why: string } | null {
  const { analysis, state } = progress;
  if (policy === null || analysis?.state !== "asked") return null;
  // The planted bug: an answer that comes late counts for the question that is open by then.
  if (analysis.wave !== wave && !isPlanted("analysis.any-wave-will-do")) return null;
  if (state !== "running" && state !== "paused") return null;
  const why = `analysis at ${policy.url} says ${verdict}${reason === "" ? "" : `: ${reason}`}`;
  const answered = { wave: analysis.wave, state: verdict, atMs: progress.clockMs, reason };
  return { progress: { ...progress, analysis: answered }, why };
}

/** A resume: whatever the answer was, the person has decided. An open question stays open. */
export function overrule(analysis: RolloutProgress["analysis"]): RolloutProgress["analysis"] {
  if (analysis === null || analysis.state === "asked") return analysis;
  return { ...analysis, state: "overruled" };
}
