// SPDX-License-Identifier: Apache-2.0
/**
 * Who else wants a device, asked of the packed pages of the open rollouts: nothing is kept by
 * device, and where nobody else is open it costs nothing.
 */
import { ATTEMPT } from "../../domain/attempt.ts";
import {
  areRivals,
  judgeRival,
  judgeRivalAgain,
  winsOver,
  type Contender,
  type Rivalry,
} from "../../domain/precedence.ts";
import { isEnded, isOpen } from "../../domain/rollout.ts";
import { enteredMsAgo } from "./attempt-age.ts";
import type { OpenRollout } from "./open-rollout.ts";

/** Rollouts that are open and may get in the way of this one. */
export function rivalsOf(rollout: OpenRollout, open: Iterable<OpenRollout>): OpenRollout[] {
  const own = contenderOf(rollout);
  return [...open].filter(
    (other) => isOpen(other.record.progress.state) && areRivals(own, contenderOf(other)),
  );
}

/** The first rival that keeps an attempt from being offered, or offered anew; null = none does. */
export function rivalryAt(
  rollout: OpenRollout,
  position: number,
  rivals: readonly OpenRollout[],
): { readonly rival: OpenRollout; readonly rivalry: Exclude<Rivalry, "free"> } | null {
  if (rivals.length === 0) return null;
  for (const rival of rivals) {
    const rivalry = judge(rollout, position, rival);
    if (rivalry !== "free") return { rival, rivalry };
  }
  return null;
}

/**
 * A rollout that has just ended is no rival any more: whoever it has won a device from is outdone
 * there for good, also in waves that are not open yet. Once a rollout.
 */
export function outdoLosers(all: readonly OpenRollout[]): void {
  for (const ended of all) {
    if (!isEnded(ended.record.progress.state)) continue;
    for (const loser of all) if (hasLostTo(loser, ended)) outdo(loser, ended);
  }
}

function hasLostTo(loser: OpenRollout, ended: OpenRollout): boolean {
  const [own, other] = [contenderOf(loser), contenderOf(ended)];
  if (!isOpen(loser.record.progress.state) || !areRivals(own, other)) return false;
  return own.slot === other.slot && !other.isRollback && winsOver(other, own);
}

function outdo(loser: OpenRollout, winner: OpenRollout): void {
  winner.ordinals.forEach((ordinal, position) => {
    const lost = loser.positionOf(ordinal);
    if (lost < 0 || winner.stateAt(position) !== ATTEMPT.succeeded) return;
    const state = loser.stateAt(lost);
    // An offer of which nobody knows any more: it would be made anew.
    const isForgotten = state === ATTEMPT.offered && isOfferOld(loser, lost);
    if (state === ATTEMPT.pending || isForgotten) loser.outdo(lost);
  });
}

export function contenderOf({ record, plan, frame }: OpenRollout): Contender {
  const { number, spec } = record;
  const { priority, compatible } = spec;
  return { number, priority, compatible, isRollback: frame.isRollback, slot: plan.slot };
}

function judge(rollout: OpenRollout, ownPosition: number, rival: OpenRollout): Rivalry {
  const position = rival.positionOf(rollout.ordinalAt(ownPosition));
  if (position < 0) return "free";
  const { page, index } = rival.cell(position);
  const state = page.state[index] ?? 0;
  const isOld = isOfferOld(rival, position);
  const isAgain = rollout.stateAt(ownPosition) === ATTEMPT.offered;
  // Who goes back in its own rollout is ahead of what has not begun, as in a rollback.
  const isGoingBack = rollout.isGoingBack(ownPosition);
  const own = { ...contenderOf(rollout), ...(isGoingBack ? { isRollback: true } : {}) };
  const other = contenderOf(rival);
  if (isAgain) return judgeRivalAgain(own, other, { state, isOfferOld: isOld });
  const isOfferOver = rival.record.progress.state !== "running" && isOld;
  return judgeRival(own, other, { state, flags: page.flags[index] ?? 0, isOfferOver });
}

/** Of one that is offered. As the sweep: twice its life, for its answer may be on the way. */
function isOfferOld(rollout: OpenRollout, position: number): boolean {
  return enteredMsAgo(rollout, position) >= rollout.frame.offerLifetimeMs * 2;
}
