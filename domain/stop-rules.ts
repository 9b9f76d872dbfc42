// SPDX-License-Identifier: Apache-2.0
/**
 * What may stop a rollout, and the verdict: the count of failures, which anybody can check by hand,
 * and the sequential test, which is earlier in every large fleet; the same test for each slice. All
 * tests share the false-alarm rate evenly (Bonferroni), so that it holds for the rollout.
 *
 * Where sites are told apart each test counts twice, by device and by site (a site has failed when
 * one of its devices has), and it is evident only when it is so by both: the stricter one decides.
 * If devices fail independently the first count keeps the promise, if whole sites fail together the
 * second does; neither is right in the other's world, and asking for both is right in both.
 */
import { countsRule, type Forgiven, type GateEvidence } from "./gate.ts";
import type { HeldSlice, PlanLimits, RolloutSpec, SliceForgiven } from "./rollout.ts";
import { fewestEvident, isEvidentWithin } from "./finite-horizon.ts";
import { createSequentialTest, type SequentialTest } from "./sequential-test.ts";
import { assert } from "./assert.ts";
import type { GateSight, UnitCounts } from "./slice-tally.ts";

/** What the rules are made of: the part of a rollout's frame that its gate needs. */
export interface GateFrame {
  readonly spec: RolloutSpec;
  readonly limits: PlanLimits;
}

/** Everything that the gate has seen. */
export interface GateInput {
  /** Without the devices of slices that are held. */
  readonly whole: GateEvidence;
  /** Devices in the plan: more can never accept, unless some have joined. */
  readonly planned: number;
  /** Devices have joined since the plan was frozen, and more may: only the bound for any holds. */
  readonly isGrowing?: boolean;
  /** null = nothing is told apart. */
  readonly sight: GateSight | null;
  readonly forgivenFailedSites: number;
  /** By slice; empty = nothing forgiven. */
  readonly forgivenSlices: readonly SliceForgiven[];
  readonly heldSlices: readonly HeldSlice[];
}

export type GateVerdict =
  | { readonly kind: "go" }
  | { readonly kind: "stop"; readonly why: string }
  /** Only where slices are held: these are to be. */
  | { readonly kind: "hold"; readonly slices: readonly HeldSlice[] };

/** A frame never changes, so its test is made once. */
const testByFrame = new WeakMap<GateFrame, SequentialTest>();

export function gateVerdict(frame: GateFrame, input: GateInput): GateVerdict {
  const counted = countsRule(frame.limits.maxFailures).verdict(input.whole);
  if (counted.stop) return { kind: "stop", why: counted.why };
  const test = testOf(frame, input.sight?.tally.plan.slices.length ?? 0);
  if (test === null) return { kind: "go" };
  const holds = frame.spec.gate.onSliceFailure === "hold-slice";
  const failing = holds ? failingSlices(test, frame, input, Number.POSITIVE_INFINITY) : [];
  if (failing.length > 0) return { kind: "hold", slices: [worstOf(failing)] };
  if (isWholeEvident(test, input)) {
    return { kind: "stop", why: sentence(test, frame, input, wholeCounts(input), "") };
  }
  const [first] = holds ? [] : failingSlices(test, frame, input, 1);
  return first === undefined ? { kind: "go" } : { kind: "stop", why: first.why };
}

/**
 * For people who review a plan: of each number of devices that have accepted, the fewest failures
 * that make it evident (0 = not even all of them would). Empty when nothing is tested.
 */
export function evidentFailures(
  frame: GateFrame,
  sliceCount: number,
  accepted: readonly number[],
): number[] {
  const test = testOf(frame, sliceCount);
  if (test === null) return [];
  const planned = Math.max(0, ...accepted);
  return accepted.map((count) => fewestEvident(test, planned, count) ?? 0);
}

/** null = nothing is tested. */
function testOf(frame: GateFrame, sliceCount: number): SequentialTest | null {
  const known = testByFrame.get(frame);
  if (known !== undefined) return known;
  const maxRate = frame.limits.maxFailureRatePercent / 100;
  if (maxRate >= 1) return null;
  const falseAlarmRate = frame.spec.gate.falseAlarmPercent / 100 / (1 + sliceCount);
  const test = createSequentialTest({ maxRate, falseAlarmRate });
  testByFrame.set(frame, test);
  return test;
}

/** Of devices and of sites; more than `planned` there cannot be. */
interface BothCounts {
  readonly devices: GateEvidence & { readonly planned: number };
  readonly sites: {
    readonly accepted: number;
    readonly failed: number;
    readonly forgiven: number;
    readonly planned: number;
    readonly isGrowing: boolean;
  };
}

function wholeCounts(input: GateInput): BothCounts {
  const { whole, planned, sight, forgivenFailedSites, isGrowing = false } = input;
  const sites = sight?.held?.restSites ?? sight?.tally.sites ?? { accepted: 0, failed: 0 };
  const siteCount = sight?.tally.plan.siteCount ?? 0;
  // Of the sites that were forgiven some may have failed in a slice that is held now.
  const forgiven = Math.min(forgivenFailedSites, sites.failed);
  return {
    devices: { ...whole, planned: isGrowing ? Number.POSITIVE_INFINITY : planned },
    sites: { ...sites, forgiven, planned: siteCount, isGrowing },
  };
}

function isWholeEvident(test: SequentialTest, input: GateInput): boolean {
  return isEvidentByBoth(test, wholeCounts(input));
}

const NOT_FORGIVEN: SliceForgiven = { failures: 0, accepted: 0, underWay: 0, failedSites: 0 };

interface FailingSlice extends HeldSlice {
  readonly failureShare: number;
}

/**
 * One at a time: its devices may be what makes the others look bad, and without them those are
 * judged anew at once.
 */
function worstOf([first, ...others]: readonly FailingSlice[]): HeldSlice {
  assert(first !== undefined, "a slice is failing");
  const { slice, why } = others.reduce(
    (worst, other) => (other.failureShare > worst.failureShare ? other : worst),
    first,
  );
  return { slice, why };
}

function failingSlices(
  test: SequentialTest,
  frame: GateFrame,
  input: GateInput,
  most: number,
): FailingSlice[] {
  const failing: FailingSlice[] = [];
  if (input.sight === null) return failing;
  const { tally, held } = input.sight;
  const { isGrowing = false } = input;
  for (const [slice, { name, deviceCount, siteCount }] of tally.plan.slices.entries()) {
    if (failing.length >= most) break;
    if (input.heldSlices.some((other) => other.slice === slice)) continue;
    const seen = held?.restSlices[slice] ?? tally.slice(slice);
    const { accepted, failures, sitesAccepted, sitesFailed } = seen;
    const forgiven = forgivenWithin(input.forgivenSlices[slice] ?? NOT_FORGIVEN, seen);
    const counts: BothCounts = {
      devices: {
        accepted,
        failures,
        forgiven,
        planned: isGrowing ? Number.POSITIVE_INFINITY : deviceCount,
      },
      sites: {
        accepted: sitesAccepted,
        failed: sitesFailed,
        forgiven: forgiven.failedSites,
        planned: siteCount,
        isGrowing,
      },
    };
    if (!isEvidentByBoth(test, counts)) continue;
    const why = sentence(test, frame, input, counts, ` in slice ${name}`);
    failing.push({ slice, why, failureShare: failures / accepted });
  }
  return failing;
}

/** Of what was forgiven some may be of devices whose other slice is held now. */
function forgivenWithin(forgiven: SliceForgiven, seen: UnitCounts): SliceForgiven {
  return {
    ...forgiven,
    failures: Math.min(forgiven.failures, seen.failures),
    failedSites: Math.min(forgiven.failedSites, seen.sitesFailed),
  };
}

function isEvidentByBoth(test: SequentialTest, { devices, sites }: BothCounts): boolean {
  if (!isEvidentSince(test, devices)) return false;
  if (!countsSites(test, sites)) return true;
  const failed = sites.failed - sites.forgiven;
  return isEvidentWithin(test, unitsOf(sites), failed, sites.accepted - sites.forgiven);
}

/** Where not even all sites together would make it evident, counting them says nothing. */
function countsSites(test: SequentialTest, sites: BothCounts["sites"]): boolean {
  const left = sites.planned - sites.forgiven;
  return isEvidentWithin(test, unitsOf(sites), left, left);
}

/**
 * After a resume the paths that led there are not those of a plan's, and where devices join nobody
 * knows how long they become: the bound holds for any.
 */
function unitsOf({ planned, forgiven, isGrowing }: BothCounts["sites"]): number {
  return forgiven === 0 && !isGrowing ? planned : Number.POSITIVE_INFINITY;
}

/**
 * After a resume two views of the evidence share the bet half and half. One forgets the failures
 * that were resumed over and keeps everything else: it spends no new false-alarm rate, but has the
 * good news of before to overcome. The other begins at the resume: n counts who accepted after it,
 * k the failures that those must have had even if everybody who was under way then has failed. The
 * first is never more than the test of the whole rollout, the second is a new test of independent
 * attempts, so their mean keeps the rate for each stretch between two resumes; neither fires again
 * on what was seen, and neither stays blind. (Sites have the first view alone: one that had
 * accepted before may fail at any time.)
 */
function isEvidentSince(test: SequentialTest, evidence: BothCounts["devices"]): boolean {
  const { failures, accepted, forgiven, planned } = evidence;
  if (forgiven.failures === 0) return isEvidentWithin(test, planned, failures, accepted);
  const newFailures = failures - forgiven.failures;
  if (newFailures <= 0) return false;
  const whole = test.logEvidence(newFailures, accepted - forgiven.failures);
  const newAccepted = Math.max(0, accepted - forgiven.accepted);
  const sureFailures = Math.min(Math.max(0, newFailures - forgiven.underWay), newAccepted);
  const since = test.logEvidence(sureFailures, newAccepted);
  const higher = Math.max(whole, since);
  const mean = higher + Math.log((Math.exp(whole - higher) + Math.exp(since - higher)) / 2);
  return mean >= test.logThreshold;
}

/** What stopped it, where, and with what evidence. */
function sentence(
  test: SequentialTest,
  frame: GateFrame,
  input: GateInput,
  { devices, sites }: BothCounts,
  where: string,
): string {
  const bySite = countsSites(test, sites)
    ? `, at ${sites.failed} of the ${sites.accepted} sites that they stand at`
    : "";
  const testCount = 1 + (input.sight?.tally.plan.slices.length ?? 0);
  const shared = testCount === 1 ? "" : `, shared by ${testCount} tests`;
  return (
    `${devices.failures} of the ${devices.accepted} devices${where} that accepted have failed` +
    `${beforeText(devices.forgiven)}${bySite}; ` +
    `it is evident that more than ${percentText(frame.limits.maxFailureRatePercent)} would ` +
    `(false alarm ${percentText(frame.spec.gate.falseAlarmPercent)}${shared})`
  );
}

function beforeText({ failures }: Forgiven): string {
  return failures === 0 ? "" : `, ${failures} of them before the last resume`;
}

/** `1 %`, `0.11 %`. */
function percentText(percent: number): string {
  return `${Number(percent.toPrecision(2))} %`;
}
