// SPDX-License-Identifier: Apache-2.0
/**
 * From which evidence on it is evident, in a plan of N. Ville's bound holds for infinitely many
 * attempts and wastes what a finite plan never uses: of 400 sites at a limit of 1 % it stops one in
 * a thousand where one in a hundred was allowed, and stops bad releases late. So for small N the
 * probability that a release at the limit ever gets so far is added up over every path, exactly,
 * and the threshold is the lowest that keeps it within the false-alarm rate. A better release gets
 * there less often, and pending attempts are non-failures as ever, so the promise stays as it is.
 */
import type { SequentialTest } from "./sequential-test.ts";

/**
 * Adding up costs some √N steps an attempt: a tenth of a second for these N and all tries, once a
 * plan; ten times as many would take seconds. Above it the bound stands.
 */
const MAX_EXACT_UNITS = 20_000;
/** As many failures are expected at most: a threshold for each is looked for. */
const MAX_EXACT_FAILURES = 400;
/** Halvings of the range of thresholds: to a two-hundredth. */
const TRIES = 10;
/** Paths rarer than this count as if they had got there. */
const NEGLIGIBLE = 1e-15;

/** Thresholds that were worked out: a plan is looked at more often than made. */
const known = new Map<string, number>();
const MAX_KNOWN = 1_000;

/** Is it evident, among at most `units`? */
export function isEvidentWithin(
  test: SequentialTest,
  units: number,
  failures: number,
  accepted: number,
): boolean {
  // No worse rate explains it better than the limit does: the usual case, without a logarithm.
  if (failures <= test.maxRate * accepted) return false;
  return test.logEvidence(failures, accepted) >= thresholdWithin(test, units);
}

/**
 * The fewest failures among so many accepted that make it evident; null when even all of them would
 * not. For people who review a plan.
 */
export function fewestEvident(
  test: SequentialTest,
  units: number,
  accepted: number,
): number | null {
  const isEnough = (failures: number): boolean => isEvidentWithin(test, units, failures, accepted);
  if (!isEnough(accepted)) return null;
  let low = 0;
  let high = accepted;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (isEnough(middle)) high = middle;
    else low = middle;
  }
  return high;
}

/** The log of the evidence from which on it is evident among at most `units`. */
export function thresholdWithin(test: SequentialTest, units: number): number {
  if (units < 1 || units > MAX_EXACT_UNITS) return test.logThreshold;
  if (units * test.maxRate > MAX_EXACT_FAILURES) return test.logThreshold;
  const key = `${test.maxRate}/${test.falseAlarmRate}/${units}`;
  const found = known.get(key);
  if (found !== undefined) return found;
  let low = 0;
  let high = test.logThreshold;
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const middle = (low + high) / 2;
    if (chanceToReach(test, units, middle) <= test.falseAlarmRate) high = middle;
    else low = middle;
  }
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(key, high);
  return high;
}

/** Of a release that fails exactly at the limit, within so many attempts. */
export function chanceToReach(test: SequentialTest, units: number, logThreshold: number): number {
  const fails = test.maxRate;
  /** By failures so far: the chance of every path that has not got there. */
  const alive = new Float64Array(units + 2);
  alive[0] = 1;
  let reached = 0;
  let lowest = 0;
  // The fewest failures that are enough; as n grows it stays or grows by one.
  let enough = 1;
  let enoughUntil = lastEnough(test, enough, units, logThreshold);
  for (let n = 1; n <= units; n++) {
    if (n > enoughUntil) enoughUntil = lastEnough(test, ++enough, units, logThreshold);
    for (let k = Math.min(enough, n); k > lowest; k--) {
      alive[k] = (alive[k] ?? 0) * (1 - fails) + (alive[k - 1] ?? 0) * fails;
    }
    alive[lowest] = (alive[lowest] ?? 0) * (1 - fails);
    reached += alive[enough] ?? 0;
    alive[enough] = 0;
    if (reached > test.falseAlarmRate) return reached; // nobody asks how much more
    while (lowest < enough - 1 && (alive[lowest] ?? 0) < NEGLIGIBLE) {
      reached += alive[lowest] ?? 0;
      lowest++;
    }
  }
  return reached;
}

/** The most attempts of which so many failures are enough; 0 = not even of as many. */
function lastEnough(
  test: SequentialTest,
  failures: number,
  units: number,
  logThreshold: number,
): number {
  const isEnough = (n: number): boolean => test.logEvidence(failures, n) >= logThreshold;
  if (!isEnough(failures)) return 0;
  let low = failures;
  let step = 1;
  while (low + step <= units && isEnough(low + step)) {
    low += step;
    step *= 2;
  }
  let high = Math.min(low + step, units + 1);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (isEnough(middle)) low = middle;
    else high = middle;
  }
  return low;
}
