// SPDX-License-Identifier: Apache-2.0
/**
 * A rollout's spec from the wire: defaults filled in, every field checked, the field named in the
 * path that a YAML document has it at (`spec.gate.maxFailures`).
 */
import { MusterError } from "../../domain/errors.ts";
import { DEFAULT_SPEC, type Deadlines, type RolloutSpec } from "../../domain/rollout.ts";
import { parseSelector } from "../../domain/selector/parser.ts";
import { MAX_DURATION_MS, type Amount } from "../../domain/units.ts";
import {
  OnStop,
  type Amount as WireAmount,
  type RolloutSpec as WireSpec,
} from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { readSchedule } from "./rollout-schedule-spec.ts";

/** Waves of one rollout. */
export const MAX_WAVES = 100;
const LEAST_PERCENT = 0.000_001;

/** Throws `invalid_argument` at the first field that is wrong. */
export function readSpec(wire: WireSpec | undefined): RolloutSpec {
  if (wire === undefined) throw invalid("spec", "is missing");
  if (!/^[^@\s]+@[^@\s]+$/.test(wire.release)) {
    throw invalid("spec.release", `${JSON.stringify(wire.release)} is not name@version`);
  }
  parseSelector(wire.selector);
  if (wire.waves.length > MAX_WAVES)
    throw invalid("spec.waves", `has more than ${MAX_WAVES} waves`);
  const defaults = DEFAULT_SPEC;
  return {
    release: wire.release,
    selector: wire.selector,
    waves:
      wire.waves.length === 0
        ? defaults.waves
        : wire.waves.map((wave, index) => size(wave, `spec.waves[${index}]`)),
    maxInFlight: optional(wire.maxInFlight, "spec.maxInFlight", defaults.maxInFlight),
    blastRadius: optional(wire.blastRadius, "spec.blastRadius", defaults.blastRadius),
    gate: readGate(wire),
    soakMs: duration(wire.soakMs, "spec.soak", defaults.soakMs),
    deadlines: readDeadlines(wire),
    onStop: wire.onStop === OnStop.PAUSE ? "pause" : "rollback",
    ...readSchedule(wire),
  };
}

function readGate(wire: WireSpec): RolloutSpec["gate"] {
  const defaults = DEFAULT_SPEC.gate;
  const percent = percentOf(wire.gate?.minSuccessPercent, "minSuccess", 100);
  const rate = percentOf(wire.gate?.maxFailureRatePercent, "maxFailureRate", 100);
  const falseAlarm = percentOf(wire.gate?.falseAlarmPercent, "falseAlarmRate", 50);
  return {
    maxFailures: optional(wire.gate?.maxFailures, "spec.gate.maxFailures", defaults.maxFailures),
    maxFailureRatePercent: rate,
    falseAlarmPercent: falseAlarm === 0 ? defaults.falseAlarmPercent : falseAlarm,
    minSuccessPercent: percent === 0 ? defaults.minSuccessPercent : percent,
    minSample: wire.gate?.minSample === 0 ? defaults.minSample : (wire.gate?.minSample ?? 1),
  };
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

function optional(wire: WireAmount | undefined, field: string, fallback: Amount): Amount {
  return wire === undefined || wire.kind.case === undefined ? fallback : size(wire, field);
}

function size(wire: WireAmount, field: string): Amount {
  const { kind } = wire;
  if (kind.case === "count" && kind.value >= 1) return { count: kind.value };
  if (kind.case === "percent" && kind.value > 0 && kind.value <= 100)
    return { percent: kind.value };
  throw invalid(field, "is neither a count of at least 1 nor a percentage above 0 and up to 100");
}

function invalid(field: string, problem: string): MusterError {
  return new MusterError({
    code: "invalid_argument",
    message: `${field} ${problem}`,
    detail: { field },
  });
}
