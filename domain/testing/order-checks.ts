// SPDX-License-Identifier: Apache-2.0
/**
 * What must hold where several rollouts want one device: with arithmetic of its own, from what the
 * cells say when an attempt that is pending is offered, and from what devices truly do.
 */
import { ATTEMPT, ATTEMPT_STATES, CELL_FLAGS, isTerminal, isUnderWay } from "../attempt.ts";
import { PAGE_TICK_MS } from "../attempt-page.ts";
import { isOpen } from "../rollout.ts";
import { must } from "./invariants.ts";
import type { PretendDevice } from "./pretend-device.ts";
import type { Offer } from "./center-hooks.ts";
import type { PureRollout } from "./pure-rollout.ts";
import { SLOTS } from "./slots.ts";

interface Lifetime {
  readonly startedAtMs: number;
  readonly endedAtMs: number;
}

/** A pending attempt is offered: the page is as it was before. */
export function checkOrder(
  rollouts: readonly PureRollout[],
  rollout: PureRollout,
  position: number,
): void {
  const device = rollout.devices[position] ?? -1;
  const isGoingBack = rollout.isGoingBack(position);
  if (!isGoingBack) for (const first of rollout.after) checkAfter(first, device);
  for (const other of rollouts) {
    const at = other.positionOf(device);
    if (at === -1 || !isOpen(other.progress.state) || !mayNotMeet(rollout, other)) continue;
    const state = other.page.state[at] ?? 0;
    const what = `device ${device} is ${ATTEMPT_STATES[state]} in rollout ${other.number}`;
    const mayAccept = state === ATTEMPT.offered && !isOfferOver(other, at);
    must("one-at-work", !mayAccept && !isUnderWay(state), what);
    if (other.slot !== rollout.slot) continue;
    const isBack = isGoingBack || isRollback(rollout);
    const isAhead = !isBack && (isRollback(other) || outranks(other, rollout));
    must("precedence", !isAhead || state !== ATTEMPT.pending, what);
    const isLost = isAhead && !isRollback(other) && state === ATTEMPT.succeeded;
    must("precedence", !isLost, what);
  }
}

function checkAfter(first: PureRollout, device: number): void {
  const { state, rollbackWanted } = first.progress;
  const at = first.positionOf(device);
  if (at === -1 || state === "succeeded") return;
  const isDone = first.page.state[at] === ATTEMPT.succeeded;
  const isTakenBack = state === "rolling-back" || (state === "stopping" && rollbackWanted);
  must("after", isDone && !isTakenBack, `device ${device} has not got what goes first`);
}

function isRollback(rollout: PureRollout): boolean {
  return rollout.parent !== null;
}

/** The same slot, or another one while not both say that they may run beside others. */
function mayNotMeet(one: PureRollout, other: PureRollout): boolean {
  if (originOf(one) === originOf(other)) return false;
  const areCompatible = one.frame.spec.compatible && other.frame.spec.compatible;
  return one.slot === other.slot || !areCompatible;
}

function originOf(rollout: PureRollout): PureRollout {
  return rollout.parent ?? rollout;
}

/** `agoMs`: was it then? */
function isOfferOver(
  { page, progress, nowTicks, frame }: PureRollout,
  position: number,
  agoMs = 0,
): boolean {
  const ageMs = (nowTicks - (page.enteredAt[position] ?? 0)) * PAGE_TICK_MS - agoMs;
  return progress.state !== "running" && ageMs >= 2 * frame.offerLifetimeMs;
}

function outranks(one: PureRollout, other: PureRollout): boolean {
  const difference = one.frame.spec.priority - other.frame.spec.priority;
  return difference === 0 ? one.number > other.number : difference > 0;
}

/**
 * A device has accepted: what it gives up for that, and what its other slots are at, the center has
 * given up before, or had not heard of when it made the offer: of a device that took an offer, was
 * gone before it answered and came back nobody knows more than that the offer is over.
 */
export function checkAtWork(
  offer: Offer,
  interrupted: Offer | null,
  device: PretendDevice | undefined,
  nowMs: number,
): void {
  const others = SLOTS.filter((name) => name !== offer.rollout.slot).flatMap((name) => {
    const slot = device?.slots[name];
    return slot?.isWorking === true && slot.work !== null ? [slot.work.offer] : [];
  });
  const sinceOfferMs = nowMs - offer.expiresAtMs + offer.rollout.frame.offerLifetimeMs;
  const offeredAtMs = nowMs - sinceOfferMs;
  for (const { rollout, position } of interrupted === null ? others : [interrupted, ...others]) {
    if (!isOpen(rollout.progress.state) || !mayNotMeet(offer.rollout, rollout)) continue;
    const { page, nowTicks } = rollout;
    const state = page.state[position] ?? 0;
    const wasGivenUp = ((page.flags[position] ?? 0) & CELL_FLAGS.failed) !== 0;
    const heardAtMs = nowMs - (nowTicks - (page.acceptedAt[position] ?? 0)) * PAGE_TICK_MS;
    if (wasGivenUp || (isUnderWay(state) && heardAtMs > offeredAtMs)) continue;
    // Its answer is still not here, and that offer was over when this one was made.
    const isUnheard = state === ATTEMPT.offered && isOfferOver(rollout, position, sinceOfferMs);
    if (isUnheard) continue;
    const what = `device ${offer.device} is at work for rollout ${rollout.number}`;
    must("one-at-work", isTerminal(state), `${what}, too, ${ATTEMPT_STATES[state]}`);
  }
}

/** In the end: of two that brought a device something, the one that outranks has the last word. */
export function checkLastWord(
  rollouts: readonly PureRollout[],
  devices: readonly PretendDevice[],
  lifetimeOf: (rollout: PureRollout) => Lifetime,
): void {
  for (const winner of rollouts) {
    for (const loser of rollouts) {
      const isPair = loser.slot === winner.slot && !isRollback(loser) && !isRollback(winner);
      if (!isPair || winner === loser || !outranks(winner, loser)) continue;
      // What a person starts when the other has ended is newer work, whatever its rank.
      if (lifetimeOf(loser).startedAtMs >= lifetimeOf(winner).endedAtMs) continue;
      if (winner.child !== null || loser.child !== null) continue;
      checkWinner(winner, loser, devices);
    }
  }
}

function checkWinner(
  winner: PureRollout,
  loser: PureRollout,
  devices: readonly PretendDevice[],
): void {
  winner.devices.forEach((number, position) => {
    const lost = loser.positionOf(number);
    const areBoth =
      winner.page.state[position] === ATTEMPT.succeeded &&
      loser.page.state[lost] === ATTEMPT.succeeded;
    const last = devices[number]?.slots[winner.slot].work?.offer.rollout;
    must("precedence", !areBoth || last === winner, `${number} runs what lost`);
  });
}
