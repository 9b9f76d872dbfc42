// SPDX-License-Identifier: Apache-2.0
/**
 * A rollout's spec from the wire: defaults filled in, every field checked, the field named in the
 * path that a YAML document has it at (`spec.gate.maxFailures`).
 */
import { DEFAULT_SPEC, type Deadlines, type RolloutSpec } from "../../domain/rollout.ts";
import { parseSelector } from "../../domain/selector/parser.ts";
import { MAX_SLICED_FACTS, sliceFact } from "../../domain/slices.ts";
import { commandTerms, type SubjectFields } from "../../domain/subject.ts";
import { MAX_DURATION_MS } from "../../domain/units.ts";
import { MAX_WAVES } from "../../domain/waves.ts";
import {
  LeavePolicy,
  OnSliceFailure,
  OnStop,
  WaveOrder,
  type RolloutSpec as WireSpec,
} from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { readAnalysis } from "./analysis-message.ts";
import { readBandwidth } from "./bandwidth-message.ts";
import { readRollback } from "./rollback-message.ts";
import { readSubject } from "./command-message.ts";
import { readTogether } from "./together-field.ts";
import { readSchedule } from "./rollout-schedule-spec.ts";
import { invalid, optionalAmount, readAmount } from "./spec-fields.ts";
import { readJoinPolicy } from "./join-policy.ts";
import { readStrategy } from "./strategy-message.ts";

const LEAST_PERCENT = 0.000_001;

/** Throws `invalid_argument` at the first field that is wrong. */
export function readSpec(wire: WireSpec | undefined): RolloutSpec {
  if (wire === undefined) throw invalid("spec", "is missing");
  const subject = readSubject(wire);
  parseSelector(wire.selector);
  if (wire.waves.length > MAX_WAVES)
    throw invalid("spec.waves", `has more than ${MAX_WAVES} waves`);
  const defaults = DEFAULT_SPEC;
  const strategy = readStrategy(wire);
  return {
    ...subject,
    selector: wire.selector,
    strategy,
    joiners: readJoinPolicy(wire.joiners),
    together: readTogether(wire),
    leavers: wire.leavers === LeavePolicy.KEEP ? "keep" : "withdraw",
    order: wire.order === WaveOrder.HASH ? "hash" : "critical-last",
    waves:
      wire.waves.length === 0 && strategy.kind === "fixed"
        ? defaults.waves
        : wire.waves.map((wave, index) => readAmount(wave, `spec.waves[${index}]`)),
    maxInFlight: optionalAmount(wire.maxInFlight, "spec.maxInFlight", defaults.maxInFlight),
    maxInFlightPerGateway: wire.maxInFlightPerGateway,
    maxInFlightPerSite: wire.maxInFlightPerSite,
    blastRadius: optionalAmount(wire.blastRadius, "spec.blastRadius", defaults.blastRadius),
    gate: readGate(wire),
    ...readProof(wire, subject),
    rollback: readRollback(wire),
    ...readSchedule(wire),
    bandwidth: readBandwidth(wire),
  };
}

/** What follows from whether there is something to prove, and to put back. */
function readProof(
  wire: WireSpec,
  subject: SubjectFields,
): Pick<RolloutSpec, "soakMs" | "deadlines" | "onStop"> {
  const deadlines = readDeadlines(wire);
  const { command } = subject;
  if (command === null) {
    const soakMs = duration(wire.soakMs, "spec.soak", DEFAULT_SPEC.soakMs);
    return { soakMs, deadlines, onStop: wire.onStop === OnStop.PAUSE ? "pause" : "rollback" };
  }
  if (wire.soakMs !== 0n) throw invalid("spec.soak", "is set: a command leaves nothing to soak");
  if (wire.onStop === OnStop.ROLLBACK) {
    throw invalid("spec.onStop", "is rollback: a command that has run cannot be taken back");
  }
  if (wire.rollback !== undefined) {
    throw invalid("spec.rollback", "is set: a command that has run cannot be taken back");
  }
  const { installMs, ...terms } = commandTerms(command);
  return { ...terms, deadlines: { ...deadlines, installMs } };
}

function readGate(wire: WireSpec): RolloutSpec["gate"] {
  const defaults = DEFAULT_SPEC.gate;
  const percent = percentOf(wire.gate?.minSuccessPercent, "minSuccess", 100);
  const rate = percentOf(wire.gate?.maxFailureRatePercent, "maxFailureRate", 100);
  const falseAlarm = percentOf(wire.gate?.falseAlarmPercent, "falseAlarmRate", 50);
  return {
    maxFailures: optionalAmount(
      wire.gate?.maxFailures,
      "spec.gate.maxFailures",
      defaults.maxFailures,
    ),
    maxFailureRatePercent: rate,
    falseAlarmPercent: falseAlarm === 0 ? defaults.falseAlarmPercent : falseAlarm,
    slices: readSlices(wire.gate?.slices ?? []),
    onSliceFailure: wire.gate?.onSliceFailure === OnSliceFailure.HOLD_SLICE ? "hold-slice" : "stop",
    minSuccessPercent: percent === 0 ? defaults.minSuccessPercent : percent,
    minSample: wire.gate?.minSample === 0 ? defaults.minSample : (wire.gate?.minSample ?? 1),
    analysis: readAnalysis(wire.gate?.analysis),
  };
}

function readSlices(names: readonly string[]): readonly string[] {
  if (names.length > MAX_SLICED_FACTS) {
    throw invalid("spec.gate.slices", `names more than ${MAX_SLICED_FACTS} facts`);
  }
  names.forEach((name, index) => {
    const field = `spec.gate.slices[${index}]`;
    sliceFact(name, () => undefined, field);
    if (names.indexOf(name) !== index) throw invalid(field, `names ${name} twice`);
  });
  return names;
}

/** 0 = the default. Below a millionth of a per cent nothing could ever be tested. */
function percentOf(value: number | undefined, field: string, most: number): number {
  const percent = value ?? 0;
  if (percent === 0 || (percent >= LEAST_PERCENT && percent <= most)) return percent;
  throw invalid(`spec.gate.${field}`, `${percent} is not between ${LEAST_PERCENT} and ${most} %`);
}

function readDeadlines(wire: WireSpec): Deadlines {
  const defaults = DEFAULT_SPEC.deadlines;
  const given = wire.deadlines;
  const read = (value: bigint | undefined, name: string, fallback: number): number =>
    duration(value ?? 0n, `spec.deadlines.${name}`, fallback);
  return {
    reachMs: read(given?.reachMs, "reach", defaults.reachMs),
    downloadMs: read(given?.downloadMs, "download", defaults.downloadMs),
    waitingMs: read(given?.waitingMs, "waiting", defaults.waitingMs),
    installMs: read(given?.installMs, "install", defaults.installMs),
    verifyMs: read(given?.verifyMs, "verify", defaults.verifyMs),
    offlineGraceMs: read(given?.offlineGraceMs, "offlineGrace", defaults.offlineGraceMs),
  };
}

/** 0 = the default. */
function duration(value: bigint, field: string, fallback: number): number {
  if (value === 0n) return fallback;
  if (value > BigInt(MAX_DURATION_MS)) throw invalid(field, "is longer than ten years");
  return Number(value);
}
