// SPDX-License-Identifier: Apache-2.0
/**
 * The rules that are compared, each as a number that grows with the wish to stop and a threshold.
 * Ours is the product's own; the thresholds of tuned rivals are found by simulation, at the same
 * false-alarm rate, for this very fleet: more than anybody knows before a rollout.
 */
import { NOTHING_FORGIVEN } from "../../../domain/gate.ts";
import { DEFAULT_SPEC } from "../../../domain/rollout.ts";
import { gateVerdict, type GateFrame, type GateInput } from "../../../domain/stop-rules.ts";
import type { GateView } from "./pretend-rollout.ts";

export interface ComparedRule {
  readonly name: string;
  readonly kind: "ours" | "tuned" | "untuned";
  /** It stops at the first event after which this is at least `threshold`. */
  readonly statistic: (view: GateView) => number;
  readonly threshold: number;
}

export const LIMIT_PERCENT = 1;
export const FALSE_ALARM_PERCENT = 1;

/** The limit of failures is off: it is a budget, and half of all rollouts at it reach it. */
const FRAME: GateFrame = {
  spec: {
    ...DEFAULT_SPEC,
    release: "",
    selector: "",
    gate: { ...DEFAULT_SPEC.gate, falseAlarmPercent: FALSE_ALARM_PERCENT },
  },
  limits: {
    maxInFlight: 0,
    blastRadius: 0,
    maxFailures: Number.POSITIVE_INFINITY,
    maxFailureRatePercent: LIMIT_PERCENT,
    maxInFlightPerGateway: 0,
    maxInFlightPerSite: 0,
    window: null,
  },
};

function inputOf(view: GateView): GateInput {
  const { accepted, failures, planSize, sitesAccepted, sitesFailed, siteCount } = view;
  const sites = { accepted: sitesAccepted, failed: sitesFailed };
  const tally = { plan: { slices: [], siteCount }, sites, slice: noSlice };
  return {
    whole: { failures, accepted, forgiven: NOTHING_FORGIVEN },
    planned: planSize,
    sight: { tally, held: null, underWay: () => [] },
    forgivenFailedSites: 0,
    forgivenSlices: [],
    heldSlices: [],
  };
}

function noSlice(): never {
  throw new Error("nothing is sliced here");
}

const OURS: ComparedRule = {
  name: "ours",
  kind: "ours",
  statistic: (view) => (gateVerdict(FRAME, inputOf(view)).kind === "stop" ? 1 : 0),
  threshold: 1,
};

/** At the quantile of a one-sided 99 %. */
const Z = 2.326;

function wilsonLowerBound(failures: number, decided: number): number {
  if (decided === 0) return 0;
  const rate = failures / decided;
  const middle = rate + (Z * Z) / (2 * decided);
  const reach = Z * Math.sqrt((rate * (1 - rate)) / decided + (Z * Z) / (4 * decided * decided));
  return (middle - reach) / (1 + (Z * Z) / decided);
}

/** Samples that a rule of the list waits for: at those, too, its number may jump. */
export const MIN_SAMPLES: readonly number[] = [20, 100, 500];

const percentOf = (part: number, whole: number): number => (100 * part) / whole;

function ofExecuted(minSample: number): ComparedRule["statistic"] {
  return ({ failures, executed }) => (executed < minSample ? 0 : percentOf(failures, executed));
}

function ofAccepted(minSample: number): ComparedRule["statistic"] {
  return ({ failures, accepted }) => (accepted < minSample ? 0 : percentOf(failures, accepted));
}

const ofGroup: ComparedRule["statistic"] = ({ waveFailures, waveSize }) =>
  percentOf(waveFailures, waveSize);

/** `thresholdOf` finds a tuned rival's threshold. */
export function comparedRules(
  thresholdOf: (name: string, statistic: ComparedRule["statistic"]) => number,
): ComparedRule[] {
  const tuned: readonly [string, ComparedRule["statistic"]][] = [
    ["% of group total", ofGroup],
    ["% of plan", ({ failures, planSize }) => percentOf(failures, planSize)],
    ["% of executed, min 100", ofExecuted(100)],
    ["% of executed, min 500", ofExecuted(500)],
    ["% of accepted, min 100", ofAccepted(100)],
    ["% of accepted, min 500", ofAccepted(500)],
  ];
  return [
    OURS,
    ...tuned.map(([name, statistic]) => ({
      name,
      kind: "tuned" as const,
      statistic,
      threshold: thresholdOf(name, statistic),
    })),
    {
      name: "Wilson lower bound at each report",
      kind: "untuned",
      statistic: ({ failures, executed }) => wilsonLowerBound(failures, executed),
      threshold: LIMIT_PERCENT / 100,
    },
    // Errors above 10 % of a group end the rollout.
    { name: "hawkBit default", kind: "untuned", statistic: ofGroup, threshold: 10 },
    // AWS IoT jobs: 10 % of executed things, from 20 on.
    { name: "AWS default", kind: "untuned", statistic: ofExecuted(20), threshold: 10 },
  ];
}
