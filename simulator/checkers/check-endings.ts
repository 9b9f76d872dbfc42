// SPDX-License-Identifier: Apache-2.0
/**
 * Every device of a frozen plan ends in exactly one terminal state, and the counts by state always
 * sum to the plan.
 */
import { ATTEMPT, isTerminal } from "../../domain/attempt.ts";
import { isEnded } from "../../domain/rollout.ts";
import { nameOf, rolloutOf } from "./device-attempts.ts";
import type { Checker, RolloutHistory, Violation } from "./history.ts";

const INVARIANT = "endings";

export const checkEndings: Checker = (history) => [
  ...history.rollouts.flatMap(judgeEnd),
  ...history.observations.flatMap((seen) => {
    const rollout = rolloutOf(history, seen.rollout);
    return rollout === null ? [] : judgeSum(rollout, seen.byState, "showed on the way");
  }),
];

function judgeEnd(rollout: RolloutHistory): Violation[] {
  const violations = judgeSum(rollout, rollout.byState, "counts");
  const say = (story: string): unknown => violations.push({ invariant: INVARIANT, story });
  const name = nameOf(rollout);
  if (!isEnded(rollout.state)) say(`${name} has not ended, it is ${rollout.state}`);
  if (rollout.attempts.length !== rollout.deviceCount) {
    say(`${name} lists ${rollout.attempts.length} attempts for ${rollout.deviceCount} devices`);
  }
  const seen = new Set<string>();
  const listed: { [state: string]: number } = {};
  for (const { device, position, state, reason } of rollout.attempts) {
    if (seen.has(device)) say(`${name} lists ${device} more than once`);
    if (seen.has(String(position))) say(`${name} lists position ${position} more than once`);
    seen.add(device).add(String(position));
    listed[state] = (listed[state] ?? 0) + 1;
    if (!isTerminal(ATTEMPT[state])) {
      const why = reason === "" ? "" : ` (${reason})`;
      say(`${name} left ${device} without an end: it is ${state}${why}`);
    }
  }
  for (const state of new Set([...Object.keys(listed), ...Object.keys(rollout.byState)])) {
    const counted = rollout.byState[state] ?? 0;
    if (counted === (listed[state] ?? 0)) continue;
    say(`${name} counts ${counted} devices as ${state} and lists ${listed[state] ?? 0}`);
  }
  return violations;
}

function judgeSum(
  rollout: RolloutHistory,
  byState: { readonly [state: string]: number },
  verb: string,
): Violation[] {
  const sum = Object.values(byState).reduce((total, count) => total + count, 0);
  if (sum === rollout.deviceCount) return [];
  const story = `${nameOf(rollout)} ${verb} ${sum} devices; its plan has ${rollout.deviceCount}`;
  return [{ invariant: INVARIANT, story }];
}
