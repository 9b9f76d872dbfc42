// SPDX-License-Identifier: Apache-2.0
/** A rollout as the wire shows it. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { countsByState, sumCounts, type AttemptCounts } from "../../domain/attempt-counts.ts";
import { countJoined } from "../../domain/membership.ts";
import type { RolloutSpec, RolloutState as State } from "../../domain/rollout.ts";
import type { Tally } from "../../domain/slice-tally.ts";
import { evidentFailures } from "../../domain/stop-rules.ts";
import {
  LeavePolicy,
  OnSliceFailure,
  OnStop,
  type RolloutProgressSchema,
  RolloutSchema,
  RolloutState,
  type Rollout,
  Approval,
} from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { analysisMessage, questionMessage } from "./analysis-message.ts";
import { windowsMessage } from "./rollout-schedule-spec.ts";
import type { PlanRecord, RolloutRecord } from "../rollouts/rollout-record.ts";
import type { StopReach } from "../rollouts/stop-reach.ts";
import { NO_WAITS, type Waits } from "../rollouts/waits.ts";
import { rollbackMessage } from "./rollback-message.ts";
import { bandwidthMessage } from "./bandwidth-message.ts";
import { commandMessage } from "./command-message.ts";
import { amountMessage } from "./spec-fields.ts";
import { joinPolicyMessage } from "./join-policy.ts";
import { stopReachMessage } from "./stop-reach-message.ts";
import { strategyMessage } from "./strategy-message.ts";

export const WIRE_STATE: { readonly [state in State]: RolloutState } = {
  draft: RolloutState.DRAFT,
  planned: RolloutState.PLANNED,
  running: RolloutState.RUNNING,
  paused: RolloutState.PAUSED,
  stopping: RolloutState.STOPPING,
  "rolling-back": RolloutState.ROLLING_BACK,
  succeeded: RolloutState.SUCCEEDED,
  stopped: RolloutState.STOPPED,
  "rolled-back": RolloutState.ROLLED_BACK,
  expired: RolloutState.EXPIRED,
  "awaiting-approval": RolloutState.AWAITING_APPROVAL,
};

/** `counts`: by wave, of its attempt pages; empty before it was planned. */
export function rolloutMessage(options: {
  record: RolloutRecord;
  revision: number;
  plan: PlanRecord | null;
  counts: readonly AttemptCounts[];
  /** Of the same pages; null before it was planned. */
  tally: Tally | null;
  /** Of the latest stop; null: there was none. */
  reach: StopReach | null;
  /** Of an open one: who waits for whom. */
  waits?: Waits;
}): Rollout {
  const { record, plan, counts, tally, reach, waits = NO_WAITS } = options;
  return create(RolloutSchema, {
    tenant: record.tenant,
    name: record.name,
    number: record.number,
    revision: BigInt(options.revision),
    state: WIRE_STATE[record.progress.state],
    stateReason: record.progress.stateReason,
    spec: specMessage(record.spec),
    ...(plan === null
      ? {}
      : {
          plan: planMessage(plan, record.spec),
          progress: progressOf(record, counts, tally, waits),
        }),
    plannedBy: record.plannedBy,
    ...(record.approval === null
      ? {}
      : { approval: { ...record.approval, atMs: BigInt(record.approval.atMs) } }),
    ...(reach === null ? {} : { stopReach: stopReachMessage(reach) }),
    parent: record.parent,
    child: record.child,
    createdAtMs: BigInt(record.createdAtMs),
    startedAtMs: BigInt(record.startedAtMs),
    endedAtMs: BigInt(record.endedAtMs),
    attemptsPrunedAtMs: BigInt(record.pruned?.atMs ?? 0),
  });
}

function progressOf(
  record: RolloutRecord,
  counts: readonly AttemptCounts[],
  tally: Tally | null,
  waits: Waits,
): NonNullable<MessageInitShape<typeof RolloutSchema>["progress"]> {
  const total = sumCounts(counts);
  return {
    byState: countsByState(total),
    wave: record.progress.waveCount,
    exposed: total.exposed,
    unproven: total.unproven,
    maxUnproven: record.progress.maxUnproven,
    failures: total.failures,
    accepted: total.exposed,
    inFlight: total.inFlight,
    clockMs: BigInt(Math.round(record.progress.clockMs)),
    window: record.progress.window?.size ?? 0,
    ...questionMessage(record.progress),
    waits: [...waits.after],
    rivals: [...waits.rivals],
    joined: countJoined(record.progress.joined),
    outputKeptBytes: BigInt(record.outputKept),
    outputLeftOut: record.outputLeftOut,
    waves: counts.map((wave, index) => ({ number: index + 1, byState: countsByState(wave) })),
    ...(tally === null ? {} : slicesOf(record, tally)),
  };
}

function slicesOf(
  record: RolloutRecord,
  tally: Tally,
): MessageInitShape<typeof RolloutProgressSchema> {
  const { heldSlices } = record.progress;
  return {
    sitesAccepted: tally.sites.accepted,
    sitesFailed: tally.sites.failed,
    slices: tally.plan.slices.map(({ name }, index) => ({
      name,
      ...tally.slice(index),
      heldBecause: heldSlices.find(({ slice }) => slice === index)?.why ?? "",
    })),
  };
}

export function planMessage(
  plan: PlanRecord,
  spec: RolloutSpec,
): NonNullable<MessageInitShape<typeof RolloutSchema>["plan"]> {
  return {
    siteCount: plan.siteCount,
    slices: plan.slices.map((slice) => ({ ...slice })),
    digest: plan.digest,
    deviceCount: plan.deviceCount,
    waves: plan.waves.map((wave, index) => ({
      number: index + 1,
      deviceCount: wave.end - wave.start,
      devicesDigest: wave.devicesDigest,
      sample: [...wave.sample],
      expectedStartMs: BigInt(wave.startMs),
      expectedEndMs: BigInt(wave.endMs),
    })),
    exclusions: plan.exclusions.map((exclusion) => ({
      ...exclusion,
      sample: [...exclusion.sample],
    })),
    blastRadiusBound: plan.limits.blastRadius,
    maxInFlight: plan.limits.maxInFlight,
    downloadBytes: BigInt(plan.downloadBytes),
    expectedDurationMs: BigInt(plan.expectedDurationMs),
    plannedAtMs: BigInt(plan.plannedAtMs),
    zones: plan.zones.map((zone) => ({ ...zone })),
    conflicts: plan.conflicts.map((conflict) => ({
      ...conflict,
      sample: [...conflict.sample],
    })),
    waits: [...plan.waits],
    maxFailures: plan.limits.maxFailures,
    maxFailureRatePercent: plan.limits.maxFailureRatePercent,
    evidentFailures: evidentFailures(
      { spec, limits: plan.limits },
      plan.slices.length,
      plan.waves.map((wave) => wave.end),
    ),
    ...(plan.limits.window === null ? {} : { window: plan.limits.window }),
    paths: plan.starts.map(({ start, deviceCount, sample }) => ({
      releases: plan.targets.slice(start).map(({ release }) => release),
      deviceCount,
      sample: [...sample],
    })),
  };
}

function specMessage(
  spec: RolloutSpec,
): NonNullable<MessageInitShape<typeof RolloutSchema>["spec"]> {
  const { deadlines, gate } = spec;
  return {
    ...(spec.isConfiguration ? { configuration: spec.release } : { release: spec.release }),
    ...(spec.command === null ? {} : { command: commandMessage(spec.command) }),
    selector: spec.selector,
    waves: spec.waves.map(amountMessage),
    maxInFlight: amountMessage(spec.maxInFlight),
    maxInFlightPerGateway: spec.maxInFlightPerGateway,
    maxInFlightPerSite: spec.maxInFlightPerSite,
    blastRadius: amountMessage(spec.blastRadius),
    gate: {
      maxFailures: amountMessage(gate.maxFailures),
      maxFailureRatePercent: gate.maxFailureRatePercent,
      falseAlarmPercent: gate.falseAlarmPercent,
      slices: [...gate.slices],
      onSliceFailure:
        gate.onSliceFailure === "stop" ? OnSliceFailure.STOP : OnSliceFailure.HOLD_SLICE,
      minSuccessPercent: gate.minSuccessPercent,
      minSample: gate.minSample,
      ...analysisMessage(gate.analysis),
    },
    soakMs: BigInt(spec.soakMs),
    deadlines: {
      reachMs: BigInt(deadlines.reachMs),
      downloadMs: BigInt(deadlines.downloadMs),
      waitingMs: BigInt(deadlines.waitingMs),
      installMs: BigInt(deadlines.installMs),
      verifyMs: BigInt(deadlines.verifyMs),
      offlineGraceMs: BigInt(deadlines.offlineGraceMs),
    },
    onStop: spec.onStop === "pause" ? OnStop.PAUSE : OnStop.ROLLBACK,
    rollback: rollbackMessage(spec.rollback),
    notBeforeMs: BigInt(spec.notBeforeMs),
    expiresAtMs: BigInt(spec.expiresAtMs),
    approval: spec.approval === "required" ? Approval.REQUIRED : Approval.NONE,
    priority: spec.priority,
    compatible: spec.compatible,
    after: [...spec.after],
    ...strategyMessage(spec),
    joiners: joinPolicyMessage(spec.joiners),
    together: spec.together,
    leavers: spec.leavers === "keep" ? LeavePolicy.KEEP : LeavePolicy.WITHDRAW,
    ...windowsMessage(spec.windows),
    ...bandwidthMessage(spec.bandwidth),
  };
}
