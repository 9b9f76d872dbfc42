// SPDX-License-Identifier: Apache-2.0
/**
 * Who goes first on a device in the pure center: rivals (`precedence.ts`) and what a rollout goes
 * after (`rollout-order.ts`), asked of the rollouts as the center asks its open ones.
 */
import { ATTEMPT } from "../attempt.ts";
import { PAGE_TICK_MS } from "../attempt-page.ts";
import {
  areRivals,
  judgeRival,
  judgeRivalAgain,
  winsOver,
  type Contender,
  type Rivalry,
} from "../precedence.ts";
import { isOpen } from "../rollout.ts";
import { keepingOf, keepsWaiting } from "../rollout-order.ts";
import type { PureRollout } from "./pure-rollout.ts";

type IsPlanted = (name: string) => boolean;

export function contenderOf({ number, frame, slot }: PureRollout): Contender {
  const { priority, compatible } = frame.spec;
  return { number, priority, compatible, isRollback: frame.isRollback, slot };
}

/** What other open rollouts mean for an attempt: the first of them that does not leave it free. */
export function rivalryAt(
  rollout: PureRollout,
  position: number,
  rollouts: readonly PureRollout[],
  isPlanted: IsPlanted,
): Rivalry {
  const isGoingBack = rollout.isGoingBack(position);
  const own = { ...contenderOf(rollout), ...(isGoingBack ? { isRollback: true } : {}) };
  const device = rollout.devices[position] ?? -1;
  const isAgain = rollout.page.state[position] === ATTEMPT.offered;
  for (const rival of rollouts) {
    const other = contenderOf(rival);
    if (!isOpen(rival.progress.state) || !areRivals(own, other, isPlanted)) continue;
    const at = rival.positionOf(device);
    if (at === -1) continue;
    const { page, progress } = rival;
    const isOld = isOfferOld(rival, at);
    const isOfferOver = progress.state !== "running" && isOld;
    const cell = { state: page.state[at] ?? 0, flags: page.flags[at] ?? 0 };
    const rivalry = isAgain
      ? judgeRivalAgain(own, other, { ...cell, isOfferOld: isOld }, isPlanted)
      : judgeRival(own, other, { ...cell, isOfferOver }, isPlanted);
    if (rivalry !== "free") return rivalry;
  }
  return "free";
}

/** Something that it goes after keeps this device waiting. */
export function isKept(rollout: PureRollout, device: number, isPlanted: IsPlanted): boolean {
  return rollout.after.some((first) => {
    const position = first.positionOf(device);
    if (position === -1) return false;
    const keeping = keepingOf(first.progress, isPlanted);
    return keepsWaiting(keeping, first.page.state[position] ?? 0, isPlanted);
  });
}

/** One has just ended: whoever it has won a device from is outdone there for good. */
export function losersTo(
  winner: PureRollout,
  rollouts: readonly PureRollout[],
): { rollout: PureRollout; position: number }[] {
  const own = contenderOf(winner);
  const losers = rollouts.filter((loser) => {
    const other = contenderOf(loser);
    const isRival = other.slot === own.slot && areRivals(other, own) && !own.isRollback;
    return isRival && isOpen(loser.progress.state) && winsOver(own, other);
  });
  return losers.flatMap((rollout) =>
    winner.devices.flatMap((device, won) => {
      const position = rollout.positionOf(device);
      const state = rollout.page.state[position];
      const isForgotten = state === ATTEMPT.offered && isOfferOld(rollout, position);
      const mayBegin = state === ATTEMPT.pending || isForgotten;
      const hasWon = winner.page.state[won] === ATTEMPT.succeeded;
      return hasWon && mayBegin ? [{ rollout, position }] : [];
    }),
  );
}

/** Of one that is offered: twice its life, for its answer may be on the way. */
function isOfferOld({ page, nowTicks, frame }: PureRollout, position: number): boolean {
  const ageMs = (nowTicks - (page.enteredAt[position] ?? 0)) * PAGE_TICK_MS;
  return ageMs >= frame.offerLifetimeMs * 2;
}
