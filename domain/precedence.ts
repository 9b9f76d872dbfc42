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

type IsPlanted = (name: string) => boolean;
const IS_NONE_PLANTED: IsPlanted = () => false;

/** What another rollout means for an attempt that is pending. */
export type Rivalry = "free" | "wait" | "outdone";

/** Priority, then the newer; numbers grow with time, so no two are equal. */
export function winsOver(one: Contender, other: Contender): boolean {
  if (one.priority !== other.priority) return one.priority > other.priority;
  return one.number > other.number;
}

/**
 * May these two get in each other's way? A rollback and its origin have their own order.
 * `isPlanted`: test-only switches for planted bugs, here and below; false in production.
 */
export function areRivals(
  one: Contender,
  other: Contender,
  isPlanted: IsPlanted = IS_NONE_PLANTED,
): boolean {
  // A rollout and its rollback share a pair of numbers: n and n + 1, n odd.
  if (Math.ceil(one.number / 2) === Math.ceil(other.number / 2)) return false;
  // The planted bug: that one of them is compatible is enough.
  const areBoth = isPlanted("precedence.one-is-enough")
    ? one.compatible || other.compatible
    : one.compatible && other.compatible;
  return one.slot === other.slot || !areBoth;
}

/** `rival`: the same device's cell in the other rollout; of one that is not rivalled, not asked. */
export function judgeRival(
  own: Contender,
  other: Contender,
  rival: { readonly state: number; readonly flags: number; readonly isOfferOver: boolean },
  isPlanted: IsPlanted = IS_NONE_PLANTED,
): Rivalry {
  const { state, flags } = rival;
  // The planted bug: an offer that is out keeps nobody.
  const isOut = state === ATTEMPT.offered && !isPlanted("precedence.offers-unseen");
  const holdsOffer = isOut && !rival.isOfferOver;
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
  // The planted bug: the newer one goes first, whatever the priorities.
  const wins = isPlanted("precedence.newest-wins") ? other.number > own.number : null;
  if (!(wins ?? winsOver(other, own))) return "free";
  // The planted bug: whoever lost a device takes it back when the winner is done with it.
  if (state === ATTEMPT.succeeded) return isPlanted("precedence.takes-back") ? "free" : "outdone";
  // Given up and not heard of: it may be at it, or go on with it.
  const mayGoOn = (flags & CELL_FLAGS.exposed) !== 0 && (flags & CELL_FLAGS.settled) === 0;
  return isPending || mayGoOn ? "wait" : "free";
}

/**
 * The same of an attempt that was offered before, when its offer has to be made anew: after a
 * pause, say, in which another one took the device up. `isOfferOld`: nobody accepts it any more.
 */
export function judgeRivalAgain(
  own: Contender,
  other: Contender,
  rival: { readonly state: number; readonly isOfferOld: boolean },
  isPlanted: IsPlanted = IS_NONE_PLANTED,
): Rivalry {
  // The planted bug: whoever was offered once goes on, whoever is at work there now.
  if (isPlanted("precedence.resumes-blindly")) return "free";
  const { state } = rival;
  const isOut = state === ATTEMPT.offered && !rival.isOfferOld;
  if (isOut || isUnderWay(state)) return "wait";
  const areAlike = own.slot === other.slot && !own.isRollback && !other.isRollback;
  return areAlike && winsOver(other, own) && state === ATTEMPT.succeeded ? "outdone" : "free";
}
