// SPDX-License-Identifier: Apache-2.0
/**
 * Who a rollback has to put back, and to what: each device to its own previous release, never to
 * one version that somebody named. Pure; the center makes a plan of the answer.
 */
import { ATTEMPT, CELL_FLAGS } from "./attempt.ts";
import { UNKNOWN_RELEASE, type AttemptPage } from "./attempt-page.ts";

/** One attempt of the rollout that is rolled back. */
export interface RollbackCell {
  readonly page: AttemptPage;
  /** In the page. */
  readonly index: number;
}

export interface RollbackChoice {
  readonly position: number;
  /** Dictionary index; UNKNOWN_RELEASE: what it ran was never reported, it cannot be put back. */
  readonly previous: number;
}

/**
 * Every device that accepted, or may have, those that succeeded included; not those that are back
 * already, with evidence. `cells` in order of position. `isPlanted`: test-only switches for planted
 * bugs; false in production.
 */
export function chooseRollback(
  cells: Iterable<RollbackCell>,
  isPlanted: (name: string) => boolean,
): RollbackChoice[] {
  const chosen: RollbackChoice[] = [];
  let position = 0;
  for (const { page, index } of cells) {
    if (needsRollback(page.state[index] ?? 0, page.flags[index] ?? 0, isPlanted)) {
      const own = page.previous[index] ?? UNKNOWN_RELEASE;
      // The planted bug: all go to what the first one ran, as to a version that somebody named.
      const isNamed = isPlanted("rollback.one-version") && chosen.length > 0;
      chosen.push({ position, previous: isNamed ? (chosen[0]?.previous ?? own) : own });
    }
    position++;
  }
  return chosen;
}

function needsRollback(
  state: number,
  flags: number,
  isPlanted: (name: string) => boolean,
): boolean {
  if ((flags & CELL_FLAGS.exposed) !== 0) {
    // The planted bug: whoever succeeded is taken for one that is well as it is.
    if (state === ATTEMPT.succeeded && isPlanted("rollback.keeps-succeeded")) return false;
    return (flags & CELL_FLAGS.settled) === 0;
  }
  // The planted bug: only who is known to have accepted is put back.
  if (isPlanted("rollback.forgets-offered")) return false;
  // The offer was out when it was closed: it may have been accepted, nobody knows.
  const isClosed = state === ATTEMPT.cancelled || state === ATTEMPT.unreachable;
  return state === ATTEMPT.offered || (isClosed && (flags & CELL_FLAGS.sent) !== 0);
}

/**
 * How many devices are not back. `stateInRollback`: of the attempt that put the device back, null
 * when the rollback had none for it. One that had is back when that attempt succeeded: that it ran
 * the old release before is no proof, for it may have been going on with the new one.
 */
export function countNotBack(
  cells: Iterable<RollbackCell>,
  stateInRollback: (position: number) => number | null,
): number {
  let count = 0;
  let position = 0;
  for (const { page, index } of cells) {
    const state = stateInRollback(position++);
    const flags = page.flags[index] ?? 0;
    const isExposed = (flags & CELL_FLAGS.exposed) !== 0;
    const isBack =
      state === null
        ? !isExposed || (flags & CELL_FLAGS.settled) !== 0
        : state === ATTEMPT.succeeded;
    if (!isBack) count++;
  }
  return count;
}
