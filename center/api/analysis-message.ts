// SPDX-License-Identifier: Apache-2.0
/** `gate.analysis`, from the wire and to it. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  checkAnalysisUrl,
  DEFAULT_ANALYSIS,
  MAX_ANALYSIS_RETRIES,
  MAX_ANALYSIS_TIMEOUT_MS,
  type AnalysisPolicy,
} from "../../domain/analysis.ts";
import type { RolloutProgress } from "../../domain/rollout.ts";
import {
  AnalysisQuestionSchema,
  type Analysis,
  type AnalysisQuestion,
  type GateSchema,
} from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { invalid } from "./spec-fields.ts";

const FIELD = "spec.gate.analysis";

/** null: nobody is asked. */
export function readAnalysis(wire: Analysis | undefined): AnalysisPolicy | null {
  if (wire === undefined) return null;
  const { url, timeoutMs, retries = DEFAULT_ANALYSIS.retries } = wire;
  checkAnalysisUrl(url, `${FIELD}.url`);
  if (timeoutMs > BigInt(MAX_ANALYSIS_TIMEOUT_MS)) {
    throw invalid(`${FIELD}.timeout`, `is longer than ${MAX_ANALYSIS_TIMEOUT_MS / 60_000}m`);
  }
  if (retries > MAX_ANALYSIS_RETRIES) {
    throw invalid(`${FIELD}.retries`, `is more than ${MAX_ANALYSIS_RETRIES}`);
  }
  return { url, timeoutMs: Number(timeoutMs) || DEFAULT_ANALYSIS.timeoutMs, retries };
}

export function analysisMessage(
  policy: AnalysisPolicy | null,
): Pick<MessageInitShape<typeof GateSchema>, "analysis"> {
  if (policy === null) return {};
  return { analysis: { ...policy, timeoutMs: BigInt(policy.timeoutMs) } };
}

/** The newest question, and its answer; nothing where none was asked. */
export function questionMessage({ analysis, clockMs }: RolloutProgress): {
  readonly analysis?: AnalysisQuestion;
} {
  if (analysis === null) return {};
  const { wave, state, atMs, reason } = analysis;
  const forMs = BigInt(Math.max(0, Math.round(clockMs - atMs)));
  return { analysis: create(AnalysisQuestionSchema, { wave: wave + 1, state, reason, forMs }) };
}
