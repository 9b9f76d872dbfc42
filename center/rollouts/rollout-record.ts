// SPDX-License-Identifier: Apache-2.0
/**
 * A rollout as the Store keeps it: one document of kind "rollout", its frozen plan beside it in one
 * of kind "plan" and in pages. Documents are checked when read: a file that was changed by hand is
 * an error, not a surprise later.
 */
import { z } from "zod";
import { NO_BANDWIDTH } from "../../domain/bandwidth.ts";
import { QUESTION_STATES } from "../../domain/analysis.ts";
import type { PlanLimits, RolloutProgress, RolloutSpec } from "../../domain/rollout.ts";
import {
  DEFAULT_SPEC,
  INITIAL_PROGRESS,
  APPROVAL_POLICIES,
  ROLLOUT_STATES,
  WAVE_ORDERS,
} from "../../domain/rollout.ts";
import type { PlannedStart } from "../../domain/version-path.ts";
import type { Slice } from "../../domain/slices.ts";
import { JOIN_POLICIES, LEAVE_POLICIES } from "../../domain/membership.ts";
import { SLOT_NAMES, type SlotName } from "../../domain/running-page.ts";
import type { PrunedAttempts } from "./pruned-attempts.ts";
import type { PlanZone } from "../../domain/plan-zones.ts";
import { DAYS } from "../../domain/window.ts";
import { NO_WINDOWS, type WindowPolicy } from "../../domain/zone-windows.ts";
import type { Command } from "../../domain/subject.ts";
import type { Json, StoredDocument } from "../../ports/store.ts";
import { commandSchema } from "../../protocol/device/command.ts";
import { KEPT_COUNTS, type KeptCounts } from "./kept-counts.ts";

export interface RolloutRecord {
  readonly number: number;
  readonly tenant: string;
  readonly name: string;
  readonly spec: RolloutSpec;
  readonly progress: RolloutProgress;
  /** Actor who had the plan made; "" = nobody yet, or the engine. */
  readonly plannedBy: string;
  readonly approval: {
    readonly by: string;
    readonly atMs: number;
    /** Of the plan that was approved. */
    readonly planDigest: string;
  } | null;
  /** Name of the rollout that this one rolls back; "" = none. */
  readonly parent: string;
  /** Name of the rollback of this one; "" = none. */
  readonly child: string;
  readonly createdAtMs: number;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** Failure texts kept so far; bounded. */
  readonly detailCount: number;
  /** Of a command: bytes and rows of output kept, and reports whose output was not. */
  readonly outputKept: number;
  readonly outputRows: number;
  readonly outputLeftOut: number;
  /** null = its attempts are all there. */
  readonly pruned: PrunedAttempts | null;
  /** null until it ended; and in records of before they were kept. */
  readonly finalCounts: KeptCounts | null;
}

/** What one position may be told to run: an index of `PlanRecord.targets`. */
export interface PlanTarget {
  /** `name@version`; "" = nothing (the slot is emptied). */
  readonly release: string;
  /** SHA-256 of the manifest; "" = nothing. */
  readonly digest: string;
  readonly manifestBytes: number;
}

/** Devices that another open rollout has before it, too. */
export interface PlanConflict {
  /** Name of the other rollout. */
  readonly rollout: string;
  readonly slot: string;
  readonly deviceCount: number;
  /** First ids, at most five. */
  readonly sample: readonly string[];
  /** Who goes first on those devices; `either`: the slots differ, one waits for the other. */
  readonly winner: "this" | "other" | "either";
}

export interface PlanRecord {
  readonly digest: string;
  readonly seed: string;
  readonly slot: SlotName;
  readonly deviceCount: number;
  readonly waves: readonly {
    readonly start: number;
    readonly end: number;
    /** Expected, since the start of the rollout. */
    readonly startMs: number;
    readonly endMs: number;
    readonly devicesDigest: string;
    readonly sample: readonly string[];
  }[];
  readonly exclusions: readonly {
    readonly reason: string;
    readonly deviceCount: number;
    readonly sample: readonly string[];
  }[];
  /** By index; empty without windows. */
  readonly zones: readonly PlanZone[];
  /** With rollouts that were open when the plan was made. */
  readonly conflicts: readonly PlanConflict[];
  /** By rollout that goes first: how many devices wait for it when the plan is made. */
  readonly waits: readonly { readonly rollout: string; readonly deviceCount: number }[];
  readonly limits: PlanLimits;
  /** 0 = nothing is told apart; else by site, and by these slices. */
  readonly siteCount: number;
  readonly slices: readonly Slice[];
  readonly targets: readonly PlanTarget[];
  /** Where a release has a floor: who begins with which target, and goes on with those after it. */
  readonly starts: readonly PlannedStart[];
  /** Of a command: what was reviewed, so that the digest covers it. */
  readonly command?: Command | undefined;
  readonly downloadBytes: number;
  readonly expectedDurationMs: number;
  readonly plannedAtMs: number;
}

const amount = z.union([
  z.strictObject({ count: z.int() }),
  z.strictObject({ percent: z.number() }),
]);

const strategy = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("fixed") }),
  z.strictObject({
    kind: z.literal("exponential"),
    first: amount,
    factor: z.number(),
    cap: amount,
  }),
  z.strictObject({ kind: z.literal("adaptive"), first: amount, min: amount, max: amount }),
]);
const windows = z.array(
  z.strictObject({ days: z.array(z.enum(DAYS)), fromMinute: z.int(), toMinute: z.int() }),
);

const windowPolicy: z.ZodType<WindowPolicy> = z.strictObject({
  install: windows,
  download: windows,
  timeZone: z.string(),
  defaultTimeZone: z.string(),
});

const spec: z.ZodType<RolloutSpec> = z.strictObject({
  release: z.string(),
  isConfiguration: z.boolean().default(false),
  command: commandSchema.nullable().default(null),
  selector: z.string(),
  strategy: strategy.default({ kind: "fixed" }),
  order: z.enum(WAVE_ORDERS).default("hash"),
  joiners: z.enum(JOIN_POLICIES).default("never"),
  leavers: z.enum(LEAVE_POLICIES).default("keep"),
  together: z.string().default(""),
  waves: z.array(amount),
  maxInFlight: amount,
  maxInFlightPerGateway: z.int().default(0),
  maxInFlightPerSite: z.int().default(0),
  blastRadius: amount,
  gate: z.strictObject({
    maxFailures: amount,
    maxFailureRatePercent: z.number().default(100),
    falseAlarmPercent: z.number().default(1),
    slices: z.array(z.string()).default([]),
    onSliceFailure: z.enum(["stop", "hold-slice"]).default("stop"),
    minSuccessPercent: z.number(),
    minSample: z.int(),
    analysis: z
      .strictObject({ url: z.string(), timeoutMs: z.int(), retries: z.int() })
      .nullable()
      .default(null),
  }),
  soakMs: z.int(),
  deadlines: z.strictObject({
    reachMs: z.int(),
    downloadMs: z.int(),
    waitingMs: z.int(),
    installMs: z.int(),
    verifyMs: z.int(),
    offlineGraceMs: z.int(),
  }),
  onStop: z.enum(["rollback", "pause"]),
  rollback: z
    .strictObject({
      waves: z.array(amount),
      maxInFlight: amount,
      minSuccessPercent: z.number(),
    })
    .default({ ...DEFAULT_SPEC.rollback, waves: [] }),
  notBeforeMs: z.number().default(0),
  expiresAtMs: z.number().default(0),
  windows: windowPolicy.default(NO_WINDOWS),
  bandwidth: z
    .strictObject({
      deviceBytesPerSecond: z.int(),
      siteBytesPerSecond: z.int(),
      gatewayBytesPerSecond: z.int(),
    })
    .default(NO_BANDWIDTH),
  approval: z.enum(APPROVAL_POLICIES).default("none"),
  priority: z.int().default(0),
  compatible: z.boolean().default(false),
  after: z.array(z.string()).default([]),
});

const progress: z.ZodType<RolloutProgress> = z.strictObject({
  state: z.enum(ROLLOUT_STATES),
  stateReason: z.string(),
  waveCount: z.int(),
  waveOpenedAtMs: z.number(),
  clockMs: z.number(),
  stopEpoch: z.int(),
  stoppingAtMs: z.number(),
  forgivenFailures: z.int(),
  forgivenAccepted: z.int().default(0),
  forgivenUnderWay: z.int().default(0),
  forgivenFailedSites: z.int().default(0),
  forgivenSlices: z
    .array(
      z.strictObject({
        failures: z.int(),
        accepted: z.int(),
        underWay: z.int(),
        failedSites: z.int(),
      }),
    )
    .default([]),
  joined: z.array(z.strictObject({ start: z.int(), end: z.int(), wave: z.int() })).default([]),
  heldSlices: z.array(z.strictObject({ slice: z.int(), why: z.string() })).default([]),
  maxUnproven: z.int(),
  rollbackWanted: z.boolean(),
  hasExpired: z.boolean().default(false),
  hasGivenUpTail: z.boolean().default(false),
  window: z
    .strictObject({
      size: z.int(),
      isDoubling: z.boolean(),
      succeededBefore: z.int(),
      failedBefore: z.int(),
    })
    .nullable()
    .default(null),
  zones: z
    .array(
      z.strictObject({
        installClosedAtMs: z.number().nullable(),
        downloadClosedAtMs: z.number().nullable(),
        reachFromMs: z.number(),
      }),
    )
    .default([]),
  analysis: z
    .strictObject({
      wave: z.int(),
      state: z.enum(QUESTION_STATES),
      atMs: z.number().default(0),
      reason: z.string().default(""),
    })
    .nullable()
    .default(null),
});

const prunedAttempts: z.ZodType<PrunedAttempts> = z.strictObject({
  ...KEPT_COUNTS,
  atMs: z.number(),
  isWhole: z.boolean(),
});

const rolloutRecord: z.ZodType<RolloutRecord> = z.strictObject({
  number: z.int().min(1),
  tenant: z.string(),
  name: z.string(),
  spec,
  progress,
  plannedBy: z.string().default(""),
  approval: z
    .strictObject({ by: z.string(), atMs: z.number(), planDigest: z.string() })
    .nullable()
    .default(null),
  parent: z.string(),
  child: z.string(),
  createdAtMs: z.number(),
  startedAtMs: z.number(),
  endedAtMs: z.number(),
  detailCount: z.int(),
  outputKept: z.int().default(0),
  outputRows: z.int().default(0),
  outputLeftOut: z.int().default(0),
  pruned: prunedAttempts.nullable().default(null),
  finalCounts: z.strictObject(KEPT_COUNTS).nullable().default(null),
});

const planRecord: z.ZodType<PlanRecord> = z.strictObject({
  digest: z.string(),
  seed: z.string(),
  slot: z.enum(SLOT_NAMES),
  deviceCount: z.int(),
  waves: z.array(
    z.strictObject({
      start: z.int(),
      end: z.int(),
      startMs: z.number().default(0),
      endMs: z.number().default(0),
      devicesDigest: z.string(),
      sample: z.array(z.string()),
    }),
  ),
  exclusions: z.array(
    z.strictObject({ reason: z.string(), deviceCount: z.int(), sample: z.array(z.string()) }),
  ),
  limits: z.strictObject({
    maxInFlight: z.int(),
    blastRadius: z.int(),
    maxFailures: z.int(),
    // Plans of before the test were reviewed without it.
    maxFailureRatePercent: z.number().default(100),
    maxInFlightPerGateway: z.int().default(0),
    maxInFlightPerSite: z.int().default(0),
    window: z.strictObject({ first: z.int(), min: z.int(), max: z.int() }).nullable().default(null),
  }),
  siteCount: z.int().default(0),
  slices: z
    .array(z.strictObject({ name: z.string(), deviceCount: z.int(), siteCount: z.int() }))
    .default([]),
  zones: z
    .array(z.strictObject({ name: z.string(), deviceCount: z.int(), assumedCount: z.int() }))
    .default([]),
  conflicts: z
    .array(
      z.strictObject({
        rollout: z.string(),
        slot: z.string(),
        deviceCount: z.int(),
        sample: z.array(z.string()),
        winner: z.enum(["this", "other", "either"]),
      }),
    )
    .default([]),
  waits: z.array(z.strictObject({ rollout: z.string(), deviceCount: z.int() })).default([]),
  command: commandSchema.optional(),
  targets: z.array(
    z.strictObject({ release: z.string(), digest: z.string(), manifestBytes: z.int() }),
  ),
  starts: z
    .array(z.strictObject({ start: z.int(), deviceCount: z.int(), sample: z.array(z.string()) }))
    .default([]),
  downloadBytes: z.number(),
  expectedDurationMs: z.number(),
  plannedAtMs: z.number(),
});

/** A rollout that was applied and nothing more. */
export function draftRecord(
  draft: Pick<RolloutRecord, "number" | "tenant" | "name" | "spec" | "createdAtMs">,
): RolloutRecord {
  return {
    ...draft,
    progress: { ...INITIAL_PROGRESS, stateReason: "applied, not planned" },
    plannedBy: "",
    approval: null,
    parent: "",
    child: "",
    startedAtMs: 0,
    endedAtMs: 0,
    detailCount: 0,
    outputKept: 0,
    outputRows: 0,
    outputLeftOut: 0,
    pruned: null,
    finalCounts: null,
  };
}

/** The document key of a rollout and of its plan. */
export function rolloutKey(tenant: string, name: string): string {
  return `${tenant}/${name}`;
}

export function readRollout(document: StoredDocument): RolloutRecord {
  return rolloutRecord.parse(document.value);
}

export function readPlan(document: StoredDocument): PlanRecord {
  return planRecord.parse(document.value);
}

/** As JSON for the Store. */
export function toJson(record: RolloutRecord | PlanRecord): Json {
  return record as unknown as Json;
}
