// SPDX-License-Identifier: Apache-2.0
/** The journal's form on disk; see journal-state.ts for what the fields mean. */
import { z } from "zod";
import { deviceReportSchema, REPORT_PHASES, REPORT_REASONS } from "../../protocol/device/report.ts";
import type { ReportPhase } from "../../protocol/device/report.ts";
import { offerPayloadSchema } from "../../protocol/device/offer.ts";
import { sideRecordSchema } from "../slots/side-record.ts";
import { stepSchema } from "../steps/step.ts";
import type { AttemptState, JournalState, Outcome, SlotState } from "./journal-state.ts";

export const JOURNAL_SCHEMA_NAME = "muster.agent-journal/v1";
/** Four slots, each with 64 steps of 64 arguments of 4 KiB at the very worst, stay below it. */
export const MAX_JOURNAL_BYTES = 67_108_864;

const activeSide = z.enum(["a", "b", "none"]);
const generation = z.int().min(0).max(0x7fff_ffff);
const phases = Object.keys(REPORT_PHASES) as [ReportPhase, ...ReportPhase[]];

const outcomeSchema: z.ZodType<Outcome> = z.strictObject({
  phase: z.enum(["installed", "failed", "rolled-back", "superseded"]),
  reason: z.enum(REPORT_REASONS).optional(),
  detail: z.string().optional(),
  exitCode: z.int().optional(),
  outputBytes: z.int().optional(),
});

const attemptSchema: z.ZodType<AttemptState> = z.strictObject({
  offer: offerPayloadSchema,
  from: activeSide,
  steps: z.array(stepSchema),
  stepIndex: z.int().min(0),
  furthestIndex: z.int().min(0),
  startCount: z.int().min(0),
  phase: z.enum(phases),
  undoing: outcomeSchema.nullable(),
  outcome: outcomeSchema.nullable(),
});

const slotSchema: z.ZodType<SlotState> = z.strictObject({
  active: activeSide,
  sides: z.strictObject({ a: sideRecordSchema.nullable(), b: sideRecordSchema.nullable() }),
  previousGood: activeSide.nullable(),
  highestGeneration: generation,
  emptyGeneration: generation,
  attempt: attemptSchema.nullable(),
  answer: deviceReportSchema.nullable(),
});

export const journalSchema: z.ZodType<JournalState> = z.strictObject({
  slots: z.strictObject({
    os: slotSchema.optional(),
    app: slotSchema.optional(),
    config: slotSchema.optional(),
    command: slotSchema.optional(),
  }),
});
