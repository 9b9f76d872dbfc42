// SPDX-License-Identifier: Apache-2.0
/** `gate.analysis: { url: https://…, timeout: 10s, retries: 3 }` of a rollout document. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { z } from "zod";
import {
  checkAnalysisUrl,
  MAX_ANALYSIS_RETRIES,
  MAX_ANALYSIS_TIMEOUT_MS,
} from "../../domain/analysis.ts";
import type { AnalysisSchema } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { checkedText, durationField } from "./field-types.ts";

export interface AnalysisFields {
  readonly url: string;
  /** Milliseconds. */
  readonly timeout?: number | undefined;
  readonly retries?: number | undefined;
}

export const analysisField: z.ZodType<AnalysisFields> = z.strictObject({
  url: checkedText((text) => checkAnalysisUrl(text, "")),
  timeout: durationField
    .refine((timeoutMs) => timeoutMs <= MAX_ANALYSIS_TIMEOUT_MS, {
      message: `is longer than ${MAX_ANALYSIS_TIMEOUT_MS / 60_000}m: answer "inconclusive" instead`,
    })
    .optional(),
  retries: z.int().min(0).max(MAX_ANALYSIS_RETRIES).optional(),
});

export function toAnalysis(fields: AnalysisFields): MessageInitShape<typeof AnalysisSchema> {
  const { url, timeout = 0, retries } = fields;
  return { url, timeoutMs: BigInt(timeout), ...(retries === undefined ? {} : { retries }) };
}
