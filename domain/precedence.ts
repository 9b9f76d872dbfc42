// SPDX-License-Identifier: Apache-2.0
/**
 * Two rollouts that want the same device. Never are two attempts at work on one slot, nor on two
 * slots of one device unless both rollouts say that they are compatible. Of two that want the same
 * slot the one of the higher priority wins, then the newer: the other waits while the winner's
 * attempt may still come about, and is superseded where it has. A rollback goes ahead of what has
 * not begun: what it takes away is known to be bad.
 */
import { ATTEMPT, CELL_FLAGS, isUnderWay } from "./attempt.ts";

export interface Contender {
  readonly number: number;
  readonly priority: number;
  /** Its attempts may run beside those of other slots of the same device. */
  readonly compatible: boolean;
  readonly isRollback: boolean;
  readonly slot: string;
}

/** What another rollout means for an attempt that is pending. */
export type Rivalry = "free" | "wait" | "outdone";

/** Priority, then the newer; numbers grow with time, so no two are equal. */
export function winsOver(one: Contender, other: Contender): boolean {
  if (one.priority !== other.priority) return one.priority > other.priority;
  return one.number > other.number;
}

/** May these two get in each other's way? A rollback and its origin have their own order. */
export function areRivals(one: Contender, other: Contender): boolean {
  // A rollout and its rollback share a pair of numbers: n and n + 1, n odd.
  if (Math.ceil(one.number / 2) === Math.ceil(other.number / 2)) return false;
  return one.slot === other.slot || !(one.compatible && other.compatible);
}

/** `rival`: the same device's cell in the other rollout; of one that is not rivalled, not asked. */
export function judgeRival(
  own: Contender,
  other: Contender,
  rival: { readonly state: number; readonly flags: number; readonly isOfferOver: boolean },
): Rivalry {
  const { state, flags } = rival;
  const holdsOffer = state === ATTEMPT.offered && !rival.isOfferOver;
  if (holdsOffer || isUnderWay(state)) return "wait";
  if (own.slot !== other.slot) return "free";
  const isPending = state === ATTEMPT.pending || state === ATTEMPT.offered;
  if (own.isRollback || other.isRollback) {
    if (other.isRollback) {
      const goesFirst = !own.isRollback || other.number > own.number;
      return isPending && goesFirst ? "wait" : "free";
    }
    return state === ATTEMPT.succeeded && other.number > own.number ? "outdone" : "free";
  }
  if (!winsOver(other, own)) return "free";
  if (state === ATTEMPT.succeeded) return "outdone";
  // Given up and not heard of: it may be at it, or go on with it.
  const mayGoOn = (flags & CELL_FLAGS.exposed) !== 0 && (flags & CELL_FLAGS.settled) === 0;
  return isPending || mayGoOn ? "wait" : "free";
}
