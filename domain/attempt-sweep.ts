// SPDX-License-Identifier: Apache-2.0
/**
 * What time and evidence do to attempts: deadlines, soaks, proof that a device is back on what it
 * ran before. Run over pages with open cells at every tick. Pure.
 *
 * Success needs evidence: the right digest, healthy, for the whole soak. Silence is a failure: each
 * phase has a deadline. A device behind a gateway that is cut off is `unknown`: its clock stands
 * still, for nobody can say anything about it.
 */
import { ATTEMPT, CELL_FLAGS, isDecided, isUnderWay, reasonCode } from "./attempt.ts";
import { CELLS_PER_PAGE, PAGE_TICK_MS, type AttemptPage } from "./attempt-page.ts";
import { beginNextStep, enter, flag, reject, unflag } from "./attempt-step.ts";
import { mayNotHaveInstalled, noteOwnPrevious, type RunningSight } from "./own-previous.ts";
import { isGoingBack } from "./path-step.ts";
import type { Deadlines } from "./rollout.ts";
import { windowOf } from "./window-deadlines.ts";
import type { WindowKind } from "./zone-windows.ts";

/** What is known of a device's slot now. */
export const EVIDENCE = {
  /** Nothing usable: offline, another digest, or not healthy. */
  none: 0,
  /** Runs what the attempt wants (of one that goes back: what it ran before), healthy, heard from
   * lately. */
  target: 1,
  /** Runs what it ran before the attempt. */
  previous: 2,
  /** Its gateway is cut off: neither silence nor evidence. */
  unknown: 3,
} as const;

export interface SweepContext {
  readonly nowTicks: number;
  /** Since the last sweep of this page. */
  readonly elapsedTicks: number;
  readonly deadlines: Deadlines;
  readonly soakMs: number;
  /** True while a rollback of this rollout runs: devices that are back count as rolled back. */
  readonly rollingBack: boolean;
  /** One of EVIDENCE; `previous` is the cell's dictionary index of what it ran before. */
  readonly evidence: (position: number, previous: number) => number;
  /** Whether `evidence` is unknown, where that is all that matters; absent = it is asked. */
  readonly isUnknown?: (position: number, previous: number) => boolean;
  /** What its device runs now; absent = nobody else is at work in this slot of the fleet. */
  readonly running?: (position: number) => RunningSight;
  /** The rollout is stopping: what comes back is cancelled instead of pending. */
  readonly stopping: boolean;
  /** An offer can be accepted for so long after it was made. */
  readonly offerLifetimeMs: number;
  /** It is connected, and its gateway holds a lease for it: an answer would have come by now. */
  readonly isOnline: (position: number) => boolean;
  /** The device may not go on now: its deadline is looked at again when that window has opened. */
  readonly isWindowClosed: (position: number, window: WindowKind) => boolean;
  /** What it proves is a step of its path, and not the last; absent = nobody has such a path. */
  readonly hasNextStep?: (position: number) => boolean;
  /** Test-only switches for planted bugs; false in production. */
  readonly isPlanted: (name: string) => boolean;
}

/** Applies time and evidence to every cell of a page; true when anything changed. */
export function sweepPage(page: AttemptPage, context: SweepContext): boolean {
  const base = page.number * CELLS_PER_PAGE;
  let changed = false;
  for (let cell = 0; cell < page.cellCount; cell++) {
    const state = page.state[cell] ?? 0;
    if (state === ATTEMPT.pending) continue;
    if (context.running !== undefined && mayNotHaveInstalled(state)) {
      changed = noteOwnPrevious(page, cell, context.running(base + cell)) || changed;
    }
    if (state === ATTEMPT.offered) {
      changed = sweepOffered(page, cell, base + cell, context) || changed;
      continue;
    }
    const flags = page.flags[cell] ?? 0;
    if ((flags & CELL_FLAGS.exposed) === 0 || (flags & CELL_FLAGS.settled) !== 0) continue;
    if (state === ATTEMPT.succeeded && !context.rollingBack) continue;
    // What it runs is looked up, far apart in memory, only where it may prove something.
    const isWorking = isUnderWay(state) && state !== ATTEMPT.verifying && !context.rollingBack;
    const evidence = isWorking
      ? evidenceOfWorking(page, cell, base + cell, context)
      : context.evidence(base + cell, page.previous[cell] ?? 0);
    if (isGoingBack(flags) && isBack(state, evidence, context)) {
      changed = settleAsRolledBack(page, cell, context);
    } else if (isUnderWay(state)) {
      changed = sweepUnderWay(page, cell, evidence, context) || changed;
    } else {
      changed = sweepDecided(page, cell, evidence, context) || changed;
    }
  }
  return changed;
}

/**
 * One that goes back is back when it shows what it ran before, and has taken the way up: that needs
 * no soak. One that was not offered it proves nothing by it, for it may go on with the release.
 */
function isBack(state: number, evidence: number, { rollingBack }: SweepContext): boolean {
  if (evidence !== EVIDENCE.target) return false;
  if (isUnderWay(state)) return state === ATTEMPT.verifying;
  return rollingBack || isDecided(state);
}

/** Of one that is at work or offered something: whether anything is known of it. */
function evidenceOfWorking(
  page: AttemptPage,
  cell: number,
  position: number,
  context: SweepContext,
): number {
  const previous = page.previous[cell] ?? 0;
  if (context.isUnknown === undefined) return context.evidence(position, previous);
  return context.isUnknown(position, previous) ? EVIDENCE.unknown : EVIDENCE.none;
}

/** A device that is there and lets an offer expire cannot accept it any more: its token is free. */
function sweepOffered(
  page: AttemptPage,
  cell: number,
  position: number,
  context: SweepContext,
): boolean {
  if (evidenceOfWorking(page, cell, position, context) === EVIDENCE.unknown) {
    page.enteredAt[cell] = context.nowTicks; // its answer may wait at the gateway that is cut off
    return true;
  }
  if (!isOver(page, cell, context.offerLifetimeMs * 2, context)) return false;
  // The planted bug: an offer that has expired is free, whether its device was there or not.
  if (!context.isOnline(position) && !context.isPlanted("sweep.expires-unseen")) return false;
  reject(page, cell, "expired", context);
  return true;
}

function sweepUnderWay(
  page: AttemptPage,
  cell: number,
  evidence: number,
  context: SweepContext,
): boolean {
  const window = windowOf(page.state[cell] ?? 0);
  const position = page.number * CELLS_PER_PAGE + cell;
  const isWaiting = window !== null && context.isWindowClosed(position, window);
  if (isWaiting) return false;
  // The planted bug: a device behind a gateway that is cut off is taken for silent.
  if (evidence === EVIDENCE.unknown && !context.isPlanted("sweep.unknown-ages")) {
    standStill(page, cell, context.elapsedTicks);
    return true;
  }
  if (context.rollingBack && evidence === EVIDENCE.previous && page.acceptedAt[cell] !== 0) {
    // Only a device that has nothing left to do for this attempt: the rollback superseded it.
    if (page.state[cell] === ATTEMPT.verifying) return settleAsRolledBack(page, cell, context);
  }
  if (page.state[cell] === ATTEMPT.verifying) return sweepVerifying(page, cell, evidence, context);
  return checkDeadline(page, cell, context);
}

function standStill(page: AttemptPage, cell: number, elapsedTicks: number): void {
  page.enteredAt[cell] = (page.enteredAt[cell] ?? 0) + elapsedTicks;
  const since = page.soakingSince[cell] ?? 0;
  if (since !== 0) page.soakingSince[cell] = since + elapsedTicks;
}

function sweepVerifying(
  page: AttemptPage,
  cell: number,
  evidence: number,
  context: SweepContext,
): boolean {
  const since = page.soakingSince[cell] ?? 0;
  // The planted bug: what a device says is believed without evidence.
  if (evidence === EVIDENCE.target || context.isPlanted("engine.no-evidence")) {
    if (since === 0) {
      page.soakingSince[cell] = context.nowTicks + 1;
      if (soakOf(page, cell, context) > 0) return true;
    }
    const soakedTicks = context.nowTicks + 1 - (page.soakingSince[cell] ?? 0);
    if (soakedTicks * PAGE_TICK_MS < soakOf(page, cell, context)) return since === 0;
    const isOnItsWay = context.hasNextStep?.(page.number * CELLS_PER_PAGE + cell) ?? false;
    if (isOnItsWay) beginNextStep(page, cell, context);
    else enter(page, cell, ATTEMPT.succeeded, context.nowTicks);
    return true;
  }
  if (evidence === EVIDENCE.previous && since !== 0) {
    // It ran the new release, and now it does not: the device fell back by itself.
    flag(page, cell, CELL_FLAGS.failed | CELL_FLAGS.settled);
    page.reason[cell] = reasonCode("evidence-contradicts");
    enter(page, cell, ATTEMPT["rolled-back"], context.nowTicks);
    return true;
  }
  if (since !== 0) {
    // The soak starts again when the evidence is back; its time does not count to the deadline.
    page.enteredAt[cell] = (page.enteredAt[cell] ?? 0) + context.nowTicks + 1 - since;
    // The planted bug: the soak goes on as if nothing had been.
    if (!context.isPlanted("sweep.soak-goes-on")) page.soakingSince[cell] = 0;
    return true;
  }
  if (!isOver(page, cell, context.deadlines.verifyMs, context)) return false;
  if (evidence === EVIDENCE.previous) {
    fail(page, cell, ATTEMPT.failed, "evidence-contradicts", context);
    flag(page, cell, CELL_FLAGS.settled);
  } else {
    fail(page, cell, ATTEMPT.lost, "no-evidence", context);
  }
  return true;
}

/**
 * One that was given up and shows the release without having said that it is installed may still be
 * examining it, and put it back: it is proven when it shows it for as long as an install may take.
 */
function soakOf(page: AttemptPage, cell: number, context: SweepContext): number {
  const { soakMs, deadlines } = context;
  const hasSaidSo = page.reason[cell] === reasonCode("");
  return hasSaidSo ? soakMs : Math.max(soakMs, deadlines.installMs);
}

function checkDeadline(page: AttemptPage, cell: number, context: SweepContext): boolean {
  const { downloadMs, waitingMs, installMs } = context.deadlines;
  switch (page.state[cell]) {
    case ATTEMPT.accepted:
    case ATTEMPT.downloading:
      return failAfter(page, cell, downloadMs, "timed-out", "download-too-slow", context);
    case ATTEMPT.waiting:
      return failAfter(page, cell, waitingMs, "timed-out", "busy-too-long", context);
    case ATTEMPT.downloaded:
      return failAfter(page, cell, installMs, "timed-out", "install-too-slow", context);
    default:
      return failAfter(page, cell, installMs, "lost", "silent-while-installing", context);
  }
}

function failAfter(
  page: AttemptPage,
  cell: number,
  deadlineMs: number,
  state: "timed-out" | "lost",
  reason: string,
  context: SweepContext,
): boolean {
  if (!isOver(page, cell, deadlineMs, context)) return false;
  // The planted bug: a device may be silent for ever.
  if (context.isPlanted("engine.silence-is-fine")) return false;
  fail(page, cell, ATTEMPT[state], reason, context);
  return true;
}

function isOver(
  page: AttemptPage,
  cell: number,
  deadlineMs: number,
  context: SweepContext,
): boolean {
  return (context.nowTicks - (page.enteredAt[cell] ?? 0)) * PAGE_TICK_MS >= deadlineMs;
}

function fail(
  page: AttemptPage,
  cell: number,
  state: number,
  reason: string,
  context: SweepContext,
): void {
  flag(page, cell, CELL_FLAGS.failed);
  page.reason[cell] = reasonCode(reason);
  page.soakingSince[cell] = 0;
  enter(page, cell, state, context.nowTicks);
}

/** Failed, lost, superseded or (while rolling back) succeeded: has it come back to what it ran? */
function sweepDecided(
  page: AttemptPage,
  cell: number,
  evidence: number,
  context: SweepContext,
): boolean {
  const state = page.state[cell];
  if (evidence === EVIDENCE.previous) {
    if (context.rollingBack) return settleAsRolledBack(page, cell, context);
    return settleUnlessGoingOn(page, cell, context);
  }
  page.soakingSince[cell] = 0;
  const silent = state === ATTEMPT.lost || state === ATTEMPT["timed-out"];
  if (silent && evidence === EVIDENCE.target && !context.rollingBack) {
    // The planted bug: who has done it after all has never failed.
    if (context.isPlanted("sweep.failure-forgiven")) unflag(page, cell, CELL_FLAGS.failed);
    // It was given up and has done it after all: prove it as any other; k keeps the failure.
    enter(page, cell, ATTEMPT.verifying, context.nowTicks);
    return true;
  }
  return false;
}

/**
 * What it ran before proves nothing of a device that was given up in the midst of its work: a slow
 * download never left it, and after a power cut an agent goes on. One that is there again for as
 * long as an install may take and says nothing does not go on.
 */
function settleUnlessGoingOn(page: AttemptPage, cell: number, context: SweepContext): boolean {
  const state = page.state[cell];
  // The planted bug: who runs what it ran before is back, whatever it is at.
  if (context.isPlanted("sweep.back-is-settled")) {
    flag(page, cell, CELL_FLAGS.settled);
    return true;
  }
  if (state === ATTEMPT["timed-out"]) return false;
  if (state === ATTEMPT.lost && page.reason[cell] === reasonCode("silent-while-installing")) {
    const since = page.soakingSince[cell] ?? 0;
    if (since === 0) {
      page.soakingSince[cell] = context.nowTicks + 1;
      return true;
    }
    const backTicks = context.nowTicks + 1 - since;
    if (backTicks * PAGE_TICK_MS < context.deadlines.installMs) return false;
  }
  flag(page, cell, CELL_FLAGS.settled);
  return true;
}

function settleAsRolledBack(page: AttemptPage, cell: number, context: SweepContext): boolean {
  flag(page, cell, CELL_FLAGS.settled);
  if (page.state[cell] !== ATTEMPT.failed) {
    enter(page, cell, ATTEMPT["rolled-back"], context.nowTicks);
  }
  return true;
}
