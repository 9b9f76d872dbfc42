// SPDX-License-Identifier: Apache-2.0
/** Which of two semantic versions comes first (semver.org 2.0.0, clause 11). */

/** Negative: `a` is the lower one. Both are whole versions; what is built in says nothing. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [splitVersion(a), splitVersion(b)];
  const core = compareLists(left.core, right.core);
  if (core !== 0) return core;
  // A version comes after its pre-releases.
  if (left.early.length === 0 || right.early.length === 0) {
    return right.early.length - left.early.length;
  }
  return compareLists(left.early, right.early);
}

/** A version that is tried out before it is given to everybody: `2.0.0-rc.1`. */
export function isPreRelease(version: string): boolean {
  return splitVersion(version).early.length > 0;
}

function splitVersion(version: string): { core: readonly string[]; early: readonly string[] } {
  const [named = ""] = version.split("+");
  const at = named.indexOf("-");
  if (at === -1) return { core: named.split("."), early: [] };
  return { core: named.slice(0, at).split("."), early: named.slice(at + 1).split(".") };
}

function compareLists(a: readonly string[], b: readonly string[]): number {
  for (let index = 0; index < Math.min(a.length, b.length); index++) {
    const order = compareParts(a[index] ?? "", b[index] ?? "");
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** Numbers by value, before words. */
function compareParts(a: string, b: string): number {
  const [isNumberA, isNumberB] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (isNumberA && isNumberB) return a.length - b.length || order(a, b);
  if (isNumberA !== isNumberB) return isNumberA ? -1 : 1;
  return order(a, b);
}

function order(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
