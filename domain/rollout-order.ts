// SPDX-License-Identifier: Apache-2.0
/**
 * Ordering across slots: a rollout that goes after others (firmware before app) offers a device
 * nothing while one of those still has it before it, or did not bring it there.
 */
import { ATTEMPT, isTerminal } from "./attempt.ts";
import type { RolloutState } from "./rollout.ts";

export const MAX_AFTER = 8;

/** Whom a rollout that goes first keeps waiting, of the devices of its plan. */
export type Keeping = "nobody" | "all" | "all-but-succeeded";

type IsPlanted = (name: string) => boolean;
const IS_NONE_PLANTED: IsPlanted = () => false;

/**
 * One that ended well keeps nobody: its operator let the rest go. One that ended otherwise keeps
 * whom it did not bring there, for good: what comes after may not run on what they have.
 * `isPlanted`: test-only switches for planted bugs, here and below; false in production.
 */
export function keepingOf(
  first: { readonly state: RolloutState; readonly rollbackWanted: boolean },
  isPlanted: IsPlanted = IS_NONE_PLANTED,
): Keeping {
  const { state } = first;
  // The planted bug: one that was stopped lets everybody go.
  if (state === "succeeded" || (state === "stopped" && isPlanted("order.stopped-lets-go"))) {
    return "nobody";
  }
  const isTakenBack = state === "rolling-back" || (state === "stopping" && first.rollbackWanted);
  return isTakenBack ? "all" : "all-but-succeeded";
}

/** `attempt`: of the device in the rollout that goes first. */
export function keepsWaiting(
  keeping: Keeping,
  attempt: number,
  isPlanted: IsPlanted = IS_NONE_PLANTED,
): boolean {
  // The planted bug: it is enough that the one before has ended on the device, however.
  if (isPlanted("order.any-end-will-do") && isTerminal(attempt)) return false;
  if (keeping === "all-but-succeeded") return attempt !== ATTEMPT.succeeded;
  return keeping === "all";
}

/** Names from `name` back to itself, each after the next; null = it waits for itself nowhere. */
export function findCycle(
  name: string,
  afterOf: (name: string) => readonly string[],
): readonly string[] | null {
  const seen = new Set<string>();
  const search = (path: readonly string[]): readonly string[] | null => {
    for (const next of afterOf(path.at(-1) ?? name)) {
      if (next === name) return [...path, name];
      if (seen.has(next)) continue;
      seen.add(next);
      const found = search([...path, next]);
      if (found !== null) return found;
    }
    return null;
  };
  return search([name]);
}
