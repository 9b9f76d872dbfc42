// SPDX-License-Identifier: Apache-2.0
/**
 * `kind: Rollout`: the intent that `muster apply` sends. What is left out has the center's default
 * (protocol/muster/v1/deploy.proto); nothing else is accepted than what is listed here.
 *
 *     apiVersion: muster/v1
 *     kind: Rollout
 *     metadata: { name: shop-1.4, tenant: default }
 *     spec:
 *       release: shop@1.4.0 # or configuration: till-settings@1.2.0
 *                           # or command: { run: [df, -h], timeout: 1m, outputLimit: 64KiB }
 *       selector: region = eu and label.ring = stable
 *       strategy: fixed # or { exponential: { first: 10, factor: 2, cap: 10% } },
 *                       # or { adaptive: { first: 10, min: 1, max: 10% } }
 *       order: critical-last
 *       joiners: tail
 *       leavers: withdraw
 *       together: cell
 *       waves: ["1", "10%", rest]
 *       maxInFlight: 10%
 *       maxInFlightPerGateway: 50
 *       maxInFlightPerSite: 1
 *       blastRadius: 5%
 *       gate: { maxFailures: "3", maxFailureRate: 1%, falseAlarmRate: 1%, minSuccess: 95%,
 *               slices: [region, inventory.hwRevision], onSliceFailure: hold-slice,
 *               minSample: 10, analysis: { url: https://…, timeout: 10s, retries: 3 } }
 *       soak: 30s
 *       deadlines: { reach: 30m, download: 1h, waiting: 24h, install: 30m, verify: 30m,
 *                    offlineGrace: 14d }
 *       onStop: rollback
 *       notBefore: 2026-12-01T22:00:00+01:00
 *       expires: 2026-12-08T05:00:00+01:00
 *       windows: (windows-field.ts)
 *       bandwidth: { device: 1MiB/s, site: 5MiB/s, gateway: 50MiB/s }
 *       approval: required
 *       priority: 10
 *       compatible: true
 *       after: [firmware-7]
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { z } from "zod";
import {
  JOIN_POLICIES,
  LEAVE_POLICIES,
  type JoinPolicy,
  type LeavePolicy,
} from "../../domain/membership.ts";
import {
  APPROVAL_POLICIES,
  WAVE_ORDERS,
  type ApprovalPolicy,
  type OnSliceFailure as OnSliceFailureWord,
  type WaveOrder,
} from "../../domain/rollout.ts";
import { MAX_AFTER } from "../../domain/rollout-order.ts";
import { MAX_SLICED_FACTS } from "../../domain/slices.ts";
import type { Amount } from "../../domain/units.ts";
import { MAX_WAVES } from "../../domain/waves.ts";
import {
  Approval,
  OnSliceFailure,
  OnStop,
  type RolloutSpecSchema,
} from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { commandField, toCommand, type CommandFields } from "./command-field.ts";
import { bandwidthField, toBandwidth, type BandwidthFields } from "./bandwidth-field.ts";
import { analysisField, toAnalysis, type AnalysisFields } from "./analysis-field.ts";
import {
  amountField,
  durationField,
  instantField,
  nameField,
  percentField,
  releaseField,
  REST_WAVE,
  selectorField,
  sliceField,
  tenantField,
  waveField,
} from "./field-types.ts";
import {
  strategyField,
  toAmount,
  toStrategy,
  toJoinPolicy,
  toLeavePolicy,
  toWaveOrder,
  type StrategyFields,
} from "./strategy-field.ts";
import { toWindows, windowsField, type WindowsFields } from "./windows-field.ts";

const MISSING = "this field is missing";

export interface RolloutDocument {
  readonly apiVersion: "muster/v1";
  readonly kind: "Rollout";
  readonly metadata: { readonly name: string; readonly tenant?: string | undefined };
  readonly spec: {
    /** A rollout has one of these three. */
    readonly release?: string | undefined;
    readonly configuration?: string | undefined;
    readonly command?: CommandFields | undefined;
    readonly selector: string;
    readonly strategy?: StrategyFields | undefined;
    readonly order?: WaveOrder | undefined;
    readonly joiners?: JoinPolicy | undefined;
    readonly leavers?: LeavePolicy | undefined;
    /** A label's name. */
    readonly together?: string | undefined;
    readonly waves?: readonly (Amount | typeof REST_WAVE)[] | undefined;
    readonly maxInFlight?: Amount | undefined;
    /** Devices. */
    readonly maxInFlightPerGateway?: number | undefined;
    readonly maxInFlightPerSite?: number | undefined;
    readonly blastRadius?: Amount | undefined;
    readonly gate?:
      | {
          readonly maxFailures?: Amount | undefined;
          /** Per cent, as are the next two. */
          readonly maxFailureRate?: number | undefined;
          readonly falseAlarmRate?: number | undefined;
          readonly slices?: readonly string[] | undefined;
          readonly onSliceFailure?: OnSliceFailureWord | undefined;
          readonly minSuccess?: number | undefined;
          readonly minSample?: number | undefined;
          readonly analysis?: AnalysisFields | undefined;
        }
      | undefined;
    /** Milliseconds, as are the deadlines. */
    readonly soak?: number | undefined;
    readonly deadlines?:
      | {
          readonly reach?: number | undefined;
          readonly download?: number | undefined;
          readonly waiting?: number | undefined;
          readonly install?: number | undefined;
          readonly verify?: number | undefined;
          readonly offlineGrace?: number | undefined;
        }
      | undefined;
    readonly onStop?: "rollback" | "pause" | undefined;
    readonly rollback?:
      | {
          readonly waves?: readonly (Amount | typeof REST_WAVE)[] | undefined;
          readonly maxInFlight?: Amount | undefined;
          /** Per cent. */
          readonly minSuccess?: number | undefined;
        }
      | undefined;
    /** Milliseconds since 1970, as is `expires`. */
    readonly notBefore?: number | undefined;
    readonly expires?: number | undefined;
    readonly windows?: WindowsFields | undefined;
    readonly bandwidth?: BandwidthFields | undefined;
    readonly approval?: ApprovalPolicy | undefined;
    readonly priority?: number | undefined;
    readonly compatible?: boolean | undefined;
    readonly after?: readonly string[] | undefined;
  };
}

/** A size, or `rest` as the last one: what is left over is a wave of its own in any case. */
const wavesField = z
  .array(waveField)
  .min(1)
  .max(MAX_WAVES)
  .superRefine((waves, context) => {
    const index = waves.indexOf(REST_WAVE);
    if (index === -1 || index === waves.length - 1) return;
    context.addIssue({
      code: "custom",
      path: [index],
      message: '"rest" must be the last wave',
    });
  });

const deviceCountField = z.int().min(1).max(0xffff_ffff);
const slicesField = z.array(sliceField).min(1).max(MAX_SLICED_FACTS);

/** Above a half "evident" would mean nothing. */
const falseAlarmField = percentField.refine((percent) => percent <= 50, {
  message: "is above 50 %: an alarm that is false every second time is none",
});

export const rolloutDocumentSchema: z.ZodType<RolloutDocument> = z.strictObject({
  apiVersion: z.literal("muster/v1"),
  kind: z.literal("Rollout"),
  metadata: z.strictObject({ name: nameField("rollout name"), tenant: tenantField.optional() }),
  spec: z
    .strictObject({
      release: releaseField.optional(),
      configuration: releaseField.optional(),
      command: commandField.optional(),
      selector: selectorField,
      strategy: strategyField.optional(),
      order: z.enum(WAVE_ORDERS).optional(),
      joiners: z.enum(JOIN_POLICIES).optional(),
      leavers: z.enum(LEAVE_POLICIES).optional(),
      together: z.string().min(1).max(63).optional(),
      waves: wavesField.optional(),
      maxInFlight: amountField.optional(),
      maxInFlightPerGateway: deviceCountField.optional(),
      maxInFlightPerSite: deviceCountField.optional(),
      blastRadius: amountField.optional(),
      gate: z
        .strictObject({
          maxFailures: amountField.optional(),
          maxFailureRate: percentField.optional(),
          falseAlarmRate: falseAlarmField.optional(),
          slices: slicesField.optional(),
          onSliceFailure: z.enum(["stop", "hold-slice"]).optional(),
          minSuccess: percentField.optional(),
          minSample: z.int().min(1).max(0xffff_ffff).optional(),
          analysis: analysisField.optional(),
        })
        .optional(),
      soak: durationField.optional(),
      deadlines: z
        .strictObject({
          reach: durationField.optional(),
          download: durationField.optional(),
          waiting: durationField.optional(),
          install: durationField.optional(),
          verify: durationField.optional(),
          offlineGrace: durationField.optional(),
        })
        .optional(),
      onStop: z.enum(["rollback", "pause"]).optional(),
      rollback: z
        .strictObject({
          waves: wavesField.optional(),
          maxInFlight: amountField.optional(),
          minSuccess: percentField.optional(),
        })
        .optional(),
      notBefore: instantField.optional(),
      expires: instantField.optional(),
      windows: windowsField.optional(),
      bandwidth: bandwidthField.optional(),
      approval: z.enum(APPROVAL_POLICIES).optional(),
      priority: z.int32().optional(),
      compatible: z.boolean().optional(),
      after: z.array(nameField("rollout name")).min(1).max(MAX_AFTER).optional(),
    })
    .superRefine(({ release, configuration, command }, context) => {
      const say = (field: string, message: string): void =>
        context.addIssue({ code: "custom", path: [field], message });
      const subjects = Object.entries({ release, configuration, command })
        .filter(([, given]) => given !== undefined)
        .map(([field]) => field);
      const [first, second] = subjects;
      if (first === undefined) say("release", MISSING);
      if (second !== undefined) {
        say(second, `stands beside a ${first}; a rollout has one subject`);
      }
    }),
});

/** The document's intent as the API takes it; what was left out stays unset. */
export function toRolloutSpec(
  document: RolloutDocument,
): MessageInitShape<typeof RolloutSpecSchema> {
  const { spec } = document;
  const { deadlines = {}, gate } = spec;
  return {
    release: spec.release ?? "",
    configuration: spec.configuration ?? "",
    ...(spec.command === undefined ? {} : { command: toCommand(spec.command) }),
    selector: spec.selector,
    ...toStrategy(spec.strategy),
    order: toWaveOrder(spec.order),
    joiners: toJoinPolicy(spec.joiners),
    leavers: toLeavePolicy(spec.leavers),
    together: spec.together ?? "",
    waves: toSizes(spec.waves),
    ...(spec.maxInFlight === undefined ? {} : { maxInFlight: toAmount(spec.maxInFlight) }),
    maxInFlightPerGateway: spec.maxInFlightPerGateway ?? 0,
    maxInFlightPerSite: spec.maxInFlightPerSite ?? 0,
    ...(spec.blastRadius === undefined ? {} : { blastRadius: toAmount(spec.blastRadius) }),
    ...(gate === undefined ? {} : { gate: toGate(gate) }),
    soakMs: BigInt(spec.soak ?? 0),
    deadlines: {
      reachMs: BigInt(deadlines.reach ?? 0),
      downloadMs: BigInt(deadlines.download ?? 0),
      waitingMs: BigInt(deadlines.waiting ?? 0),
      installMs: BigInt(deadlines.install ?? 0),
      verifyMs: BigInt(deadlines.verify ?? 0),
      offlineGraceMs: BigInt(deadlines.offlineGrace ?? 0),
    },
    onStop: toOnStop(spec.onStop),
    ...(spec.rollback === undefined ? {} : { rollback: toRollback(spec.rollback) }),
    ...(spec.notBefore === undefined ? {} : { notBeforeMs: BigInt(spec.notBefore) }),
    ...(spec.expires === undefined ? {} : { expiresAtMs: BigInt(spec.expires) }),
    ...(spec.windows === undefined ? {} : { windows: toWindows(spec.windows) }),
    ...(spec.bandwidth === undefined ? {} : { bandwidth: toBandwidth(spec.bandwidth) }),
    ...(spec.approval === "required" ? { approval: Approval.REQUIRED } : {}),
    ...(spec.priority === undefined ? {} : { priority: spec.priority }),
    ...(spec.compatible === true ? { compatible: true } : {}),
    after: [...(spec.after ?? [])],
  };
}

/** What is left over is the last wave in any case; alone it is everybody, not the default. */
function toSizes(waves: RolloutDocument["spec"]["waves"]): ReturnType<typeof toAmount>[] {
  if (waves?.length === 1 && waves[0] === REST_WAVE) return [toAmount({ percent: 100 })];
  return (waves ?? []).filter((wave) => wave !== REST_WAVE).map(toAmount);
}

type Rollback = NonNullable<RolloutDocument["spec"]["rollback"]>;

function toRollback(
  rollback: Rollback,
): NonNullable<MessageInitShape<typeof RolloutSpecSchema>["rollback"]> {
  const { maxInFlight } = rollback;
  return {
    waves: toSizes(rollback.waves),
    ...(maxInFlight === undefined ? {} : { maxInFlight: toAmount(maxInFlight) }),
    minSuccessPercent: rollback.minSuccess ?? 0,
  };
}

const WIRE_ON_SLICE_FAILURE = {
  "": OnSliceFailure.UNSPECIFIED,
  stop: OnSliceFailure.STOP,
  "hold-slice": OnSliceFailure.HOLD_SLICE,
} as const;

function toOnStop(onStop: RolloutDocument["spec"]["onStop"]): OnStop {
  if (onStop === undefined) return OnStop.UNSPECIFIED;
  return onStop === "pause" ? OnStop.PAUSE : OnStop.ROLLBACK;
}

type Gate = NonNullable<RolloutDocument["spec"]["gate"]>;

function toGate(gate: Gate): NonNullable<MessageInitShape<typeof RolloutSpecSchema>["gate"]> {
  return {
    ...(gate.maxFailures === undefined ? {} : { maxFailures: toAmount(gate.maxFailures) }),
    maxFailureRatePercent: gate.maxFailureRate ?? 0,
    falseAlarmPercent: gate.falseAlarmRate ?? 0,
    slices: [...(gate.slices ?? [])],
    onSliceFailure: WIRE_ON_SLICE_FAILURE[gate.onSliceFailure ?? ""],
    minSuccessPercent: gate.minSuccess ?? 0,
    minSample: gate.minSample ?? 0,
    ...(gate.analysis === undefined ? {} : { analysis: toAnalysis(gate.analysis) }),
  };
}
