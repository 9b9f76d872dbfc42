// SPDX-License-Identifier: Apache-2.0
/**
 * The rules that may stop a rollout, and their verdict: counts first, because it is the one that
 * anybody can check by hand, then the sequential test, which is earlier in every large fleet.
 */
import { countsRule, type GateEvidence, type StopRule, type StopVerdict } from "./gate.ts";
import type { PlanLimits, RolloutSpec } from "./rollout.ts";
import {
  createSequentialTest,
  fewestEvident,
  isEvident,
  type SequentialTest,
} from "./sequential-test.ts";

/** What the rules are made of: the part of a rollout's frame that its gate needs. */
export interface GateFrame {
  readonly spec: RolloutSpec;
  readonly limits: PlanLimits;
}

/** A frame never changes, so its rules are made once. */
const rulesByFrame = new WeakMap<GateFrame, readonly StopRule[]>();

/** The first rule that stops it, or none. */
export function stopVerdict(frame: GateFrame, evidence: GateEvidence): StopVerdict {
  for (const rule of rulesOf(frame)) {
    const verdict = rule.verdict(evidence);
    if (verdict.stop) return verdict;
  }
  return { stop: false };
}

/**
 * For people who review a plan: of each number of devices that have accepted, the fewest failures
 * that make it evident (0 = not even all of them would). Empty when nothing is tested.
 */
export function evidentFailures(frame: GateFrame, accepted: readonly number[]): number[] {
  const test = testOf(frame);
  if (test === null) return [];
  return accepted.map((count) => fewestEvident(test, count) ?? 0);
}

function rulesOf(frame: GateFrame): readonly StopRule[] {
  const known = rulesByFrame.get(frame);
  if (known !== undefined) return known;
  const rules = [countsRule(frame.limits.maxFailures)];
  const test = testOf(frame);
  if (test !== null) rules.push(sequentialRule(test));
  rulesByFrame.set(frame, rules);
  return rules;
}

/** null = nothing is tested. */
function testOf(frame: GateFrame): SequentialTest | null {
  const maxRate = frame.limits.maxFailureRatePercent / 100;
  if (maxRate >= 1) return null;
  return createSequentialTest({ maxRate, falseAlarmRate: frame.spec.gate.falseAlarmPercent / 100 });
}

/** Stops when it is evident that more would fail than the limit allows. */
export function sequentialRule(test: SequentialTest): StopRule {
  return {
    name: "sequential",
    verdict: (evidence) => {
      if (!isEvidentSince(test, evidence)) return { stop: false };
      const { failures, accepted, forgiven } = evidence;
      const before =
        forgiven.failures === 0 ? "" : `, ${forgiven.failures} of them before the last resume`;
      return {
        stop: true,
        why:
          `${failures} of the ${accepted} devices that accepted have failed${before}; ` +
          `it is evident that more than ${percentText(test.maxRate)} would ` +
          `(false alarm ${percentText(test.falseAlarmRate)})`,
      };
    },
  };
}

/**
 * After a resume two views of the evidence share the bet half and half. One forgets the failures
 * that were resumed over and keeps everything else: it spends no new false-alarm rate, but has the
 * good news of before to overcome. The other begins at the resume: n counts who accepted after it,
 * k the failures that those must have had even if everybody who was under way then has failed. The
 * first is never more than the test of the whole rollout, the second is a new test of independent
 * attempts, so their mean keeps the rate for each stretch between two resumes; neither fires again
 * on what was seen, and neither stays blind.
 */
function isEvidentSince(test: SequentialTest, evidence: GateEvidence): boolean {
  const { failures, accepted, forgiven } = evidence;
  if (forgiven.failures === 0) return isEvident(test, failures, accepted);
  const newFailures = failures - forgiven.failures;
  if (newFailures === 0) return false;
  const whole = test.logEvidence(newFailures, accepted - forgiven.failures);
  const newAccepted = accepted - forgiven.accepted;
  const sureFailures = Math.min(Math.max(0, newFailures - forgiven.underWay), newAccepted);
  const since = test.logEvidence(sureFailures, newAccepted);
  const higher = Math.max(whole, since);
  const mean = higher + Math.log((Math.exp(whole - higher) + Math.exp(since - higher)) / 2);
  return mean >= test.logThreshold;
}

/** `1 %`, `0.11 %`. */
function percentText(share: number): string {
  return `${Number((share * 100).toPrecision(2))} %`;
}
