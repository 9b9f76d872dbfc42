// SPDX-License-Identifier: Apache-2.0
/**
 * What an event does to one attempt. Pure: changes only the page it is given, reads no clock.
 *
 * Idempotent by (generation, sequence): an older generation, a repeated or an older sequence has no
 * effect, so replaying or reordering a device's messages ends in the same state.
 */
import { unreachable } from "./assert.ts";
import { ATTEMPT, CELL_FLAGS, isTerminal, reasonCode } from "./attempt.ts";
import { isUnproven } from "./attempt-counts.ts";
import { CELLS_PER_PAGE, UNKNOWN_RELEASE, type AttemptPage } from "./attempt-page.ts";
import { isGoingBack, isProvenYet, onItsWay, stepOf, withNextStep } from "./path-step.ts";

/** What a device may say of an attempt; the wire has the same words. */
export type ReportedPhase =
  | "accepted"
  | "downloading"
  | "downloaded"
  | "waiting"
  | "installing"
  | "installed"
  | "failed"
  | "rolled-back"
  | "rejected"
  | "superseded"
  /** A part of what a command printed: changes no state. */
  | "output";

export type AttemptEvent =
  /** A gateway may now offer it. `previous`: dictionary index of what the device runs. */
  | {
      readonly kind: "leased";
      readonly position: number;
      readonly generation: number;
      readonly previous: number;
    }
  /** The gateway gives the entry back; `sent`: the offer left it, the device may have it. */
  | {
      readonly kind: "returned";
      readonly position: number;
      readonly generation: number;
      readonly sent: boolean;
    }
  | {
      readonly kind: "reported";
      readonly position: number;
      readonly generation: number;
      readonly sequence: number;
      readonly phase: ReportedPhase;
      readonly reason: string;
    };

export interface AttemptContext {
  /** The rollout's clock in PAGE_TICK_MS. */
  readonly nowTicks: number;
  /** Nothing is offered any more: what comes back is cancelled instead of pending. */
  readonly stopping: boolean;
  /** The device's last word is the proof: the subject is a command. Absent = evidence is. */
  readonly isProvenByReport?: boolean;
  /** Test-only switches for planted bugs; false in production. */
  readonly isPlanted: (name: string) => boolean;
}

/** `stale`: of another generation. `duplicate`: already in effect, or too late to matter. */
export type StepOutcome = "changed" | "duplicate" | "stale";

/** New generations one device may draw in one rollout before it counts as rejecting. */
export const MAX_TRIES = 10;

/** Applies one event to its cell. */
export function stepAttempt(
  page: AttemptPage,
  event: AttemptEvent,
  context: AttemptContext,
): StepOutcome {
  const cell = event.position - page.number * CELLS_PER_PAGE;
  switch (event.kind) {
    case "leased":
      return lease(page, cell, event, context);
    case "returned":
      return takeBack(page, cell, event, context);
    case "reported":
      return report(page, cell, event, context);
    default:
      return unreachable(event);
  }
}

/** Moves a cell to a state and stamps when. */
export function enter(page: AttemptPage, cell: number, state: number, nowTicks: number): void {
  page.state[cell] = state;
  page.enteredAt[cell] = nowTicks;
}

/** Sets flag bits. */
export function flag(page: AttemptPage, cell: number, bits: number): void {
  page.flags[cell] = (page.flags[cell] ?? 0) | bits;
}

function lease(
  page: AttemptPage,
  cell: number,
  event: Extract<AttemptEvent, { kind: "leased" }>,
  context: AttemptContext,
): StepOutcome {
  if (page.state[cell] === ATTEMPT.offered && page.generation[cell] === event.generation) {
    flag(page, cell, CELL_FLAGS.doubtful);
    // The same generation again, under a fresh expiry. What became of the lease before is not
    // known.
    page.enteredAt[cell] = context.nowTicks;
    return "changed";
  }
  // It goes back, and did not take the generation before.
  const isAnew = page.state[cell] === ATTEMPT.offered && page.generation[cell] === 0;
  if (page.state[cell] !== ATTEMPT.pending && !isAnew) return "duplicate";
  if (event.generation !== page.generation[cell]) {
    page.generation[cell] = event.generation;
    page.sequence[cell] = 0;
    page.tries[cell] = (page.tries[cell] ?? 0) + 1;
  }
  // Other work may move it until it accepts: what it runs at its last offer counts.
  const flags = page.flags[cell] ?? 0;
  // A step of its path is behind it: what it has proven there is what it goes back to.
  const mayMove = (flags & CELL_FLAGS.exposed) === 0 || (flags & CELL_FLAGS.settled) !== 0;
  if (mayMove || page.previous[cell] === UNKNOWN_RELEASE) page.previous[cell] = event.previous;
  unflag(page, cell, CELL_FLAGS.settled);
  flag(page, cell, CELL_FLAGS.sent);
  enter(page, cell, ATTEMPT.offered, context.nowTicks);
  return "changed";
}

function takeBack(
  page: AttemptPage,
  cell: number,
  event: Extract<AttemptEvent, { kind: "returned" }>,
  context: AttemptContext,
): StepOutcome {
  if (event.generation !== page.generation[cell]) return "stale";
  // An offer that left may have been accepted: its token stays spent until the device is heard.
  if (page.state[cell] !== ATTEMPT.offered) return "duplicate";
  // The planted bug: whatever comes back is free again.
  if (event.sent && !context.isPlanted("attempt.sent-comes-free")) return "duplicate";
  const isDoubtful = ((page.flags[cell] ?? 0) & CELL_FLAGS.doubtful) !== 0;
  // The planted bug: of two leases of one generation only the later one counts.
  if (isDoubtful && !context.isPlanted("attempt.doubt-forgotten")) return "duplicate";
  giveBack(page, cell, context, context.stopping ? "rollout-stopped" : "");
  return "changed";
}

/** Clears flag bits. */
export function unflag(page: AttemptPage, cell: number, bits: number): void {
  page.flags[cell] = (page.flags[cell] ?? 0) & ~bits;
}

/**
 * Pending again, or cancelled when the rollout is stopping. One that goes back and may still be at
 * work on the release stays offered, and is leased anew.
 */
function giveBack(
  page: AttemptPage,
  cell: number,
  context: Pick<AttemptContext, "nowTicks" | "stopping">,
  reason: string,
): void {
  // Why it goes back is kept.
  const isKept = isGoingBack(page.flags[cell] ?? 0) && !context.stopping;
  if (!isKept) page.reason[cell] = reasonCode(reason);
  unflag(page, cell, CELL_FLAGS.sent | CELL_FLAGS.doubtful);
  standOnStep(page, cell);
  const free = mayBeAtWork(page.flags[cell] ?? 0) ? ATTEMPT.offered : ATTEMPT.pending;
  enter(page, cell, context.stopping ? ATTEMPT.cancelled : free, context.nowTicks);
}

/** It goes back from work that it was not given up on. */
function mayBeAtWork(flags: number): boolean {
  return isGoingBack(flags) && !isProvenYet(flags) && (flags & CELL_FLAGS.failed) === 0;
}

/** It did not take the offer: it stands on the step that it has proven, where there is one. */
function standOnStep(page: AttemptPage, cell: number): void {
  if (stepOf(page.flags[cell] ?? 0) > 0) flag(page, cell, CELL_FLAGS.settled);
}

/** Proven on a step of its path that is not the last: the next one is offered to it. */
export function beginNextStep(
  page: AttemptPage,
  cell: number,
  context: Pick<AttemptContext, "nowTicks" | "stopping">,
): void {
  page.flags[cell] = withNextStep(page.flags[cell] ?? 0);
  page.generation[cell] = 0; // the next lease draws anew: what is said of this one is of the past
  page.soakingSince[cell] = 0;
  giveBack(page, cell, context, context.stopping ? "rollout-stopped" : "");
}

/** From these a device's word changes nothing: it has already said how it ended. */
function isClosedToReports(state: number): boolean {
  return (
    state === ATTEMPT.succeeded ||
    state === ATTEMPT.failed ||
    state === ATTEMPT["rolled-back"] ||
    state === ATTEMPT.rejected ||
    state === ATTEMPT.superseded
  );
}

function report(
  page: AttemptPage,
  cell: number,
  event: Extract<AttemptEvent, { kind: "reported" }>,
  context: AttemptContext,
): StepOutcome {
  if (page.generation[cell] !== event.generation) {
    // The planted bug: a report is filed under whatever generation the cell has now.
    if (!context.isPlanted("engine.ignore-generation")) return "stale";
  }
  if (event.sequence <= (page.sequence[cell] ?? 0)) {
    // The planted bug: a report that comes again takes effect again.
    if (!context.isPlanted("engine.ignore-sequence")) return "duplicate";
  }
  page.sequence[cell] = event.sequence;
  if (isClosedToReports(page.state[cell] ?? 0)) return "changed";
  if (event.phase === "output") return "changed";
  if (event.phase === "rejected") {
    // The planted bug: every answer counts as an acceptance.
    if (context.isPlanted("attempt.refusal-exposes")) flag(page, cell, CELL_FLAGS.exposed);
    reject(page, cell, event.reason, context);
    return "changed";
  }
  // Why it goes back is kept, unless that goes wrong.
  const isFailure = event.phase === "failed" || event.phase === "rolled-back";
  const isKept = isGoingBack(page.flags[cell] ?? 0) && !isFailure;
  if (!isKept) page.reason[cell] = reasonCode(event.reason);
  if ((page.flags[cell] ?? 0) % 2 === 0) page.acceptedAt[cell] = context.nowTicks + 1;
  flag(page, cell, CELL_FLAGS.exposed);
  page.flags[cell] = onItsWay(page.flags[cell] ?? 0);
  move(page, cell, { phase: event.phase, reason: event.reason }, context);
  return "changed";
}

/** The device will not accept this offer; some reasons let it try again under a new generation. */
export function reject(
  page: AttemptPage,
  cell: number,
  reason: string,
  context: AttemptContext,
): void {
  // The planted bug: a device that refuses is offered it again for ever.
  const mostTries = context.isPlanted("attempt.endless-tries") ? 0xff : MAX_TRIES;
  const mayTryAgain = reason === "expired" || reason === "withdrawn";
  standOnStep(page, cell);
  if (mayTryAgain && (page.tries[cell] ?? 0) < mostTries) {
    page.generation[cell] = 0; // the device refuses this one for ever: the next lease draws anew
    giveBack(page, cell, context, reason);
    return;
  }
  const isOlder = reason === "older-generation";
  page.reason[cell] = reasonCode(reason);
  enter(page, cell, isOlder ? ATTEMPT.superseded : ATTEMPT.rejected, context.nowTicks);
}

type MovingPhase = Exclude<ReportedPhase, "rejected" | "output">;

const STATE_OF_PHASE: { readonly [Phase in MovingPhase]: number } = {
  accepted: ATTEMPT.accepted,
  downloading: ATTEMPT.downloading,
  downloaded: ATTEMPT.downloaded,
  waiting: ATTEMPT.waiting,
  installing: ATTEMPT.installing,
  installed: ATTEMPT.verifying,
  failed: ATTEMPT.failed,
  "rolled-back": ATTEMPT["rolled-back"],
  superseded: ATTEMPT.superseded,
};

function move(
  page: AttemptPage,
  cell: number,
  said: { readonly phase: MovingPhase; readonly reason: string },
  context: AttemptContext,
): void {
  const { phase } = said;
  if (phase === "failed" || phase === "rolled-back") flag(page, cell, CELL_FLAGS.failed);
  // Given up, found back on what it ran before, and it goes on all the same.
  unflag(page, cell, CELL_FLAGS.settled);
  page.soakingSince[cell] = 0;
  const state = context.isProvenByReport === true ? stateProven(said) : STATE_OF_PHASE[phase];
  // How it ended is known, and nothing is left behind that could be put back.
  if (context.isProvenByReport === true && isTerminal(state)) flag(page, cell, CELL_FLAGS.settled);
  enter(page, cell, state, context.nowTicks);
}

/** Where the report itself is the proof. */
function stateProven({ phase, reason }: { phase: MovingPhase; reason: string }): number {
  if (phase === "installed") return ATTEMPT.succeeded;
  const isLate = phase === "failed" && reason === "command-timed-out";
  return isLate ? ATTEMPT["timed-out"] : STATE_OF_PHASE[phase];
}

/** Its device left before it was offered anything. False when it was, also where it goes back. */
export function withdraw(page: AttemptPage, cell: number, nowTicks: number): boolean {
  if (page.state[cell] !== ATTEMPT.pending || isGoingBack(page.flags[cell] ?? 0)) return false;
  page.reason[cell] = reasonCode("left-selection");
  enter(page, cell, ATTEMPT.cancelled, nowTicks);
  return true;
}

/**
 * Its device was retired: no word of it is taken any more, so nobody waits for one, and what it
 * runs puts nobody at risk. What is open ends, and is neutral; a failure stays one. False when
 * there is nothing left to do.
 */
export function retire(page: AttemptPage, cell: number, nowTicks: number): boolean {
  const state = page.state[cell] ?? 0;
  if (state === ATTEMPT.succeeded) return false;
  if (isTerminal(state)) {
    const isAtRisk = isUnproven(state, page.flags[cell] ?? 0);
    if (isAtRisk) flag(page, cell, CELL_FLAGS.settled);
    return isAtRisk;
  }
  // Whether it had accepted an offer that was out will never be known.
  unflag(page, cell, CELL_FLAGS.sent | CELL_FLAGS.doubtful);
  flag(page, cell, CELL_FLAGS.settled);
  page.reason[cell] = reasonCode("left-selection");
  enter(page, cell, ATTEMPT.cancelled, nowTicks);
  return true;
}

/**
 * Another rollout has won its device's slot: nothing is left to do in this one. Neutral. What was
 * offered before is cancelled, for its device may still answer.
 */
export function outdo(page: AttemptPage, cell: number, nowTicks: number): void {
  const wasOffered = page.state[cell] === ATTEMPT.offered;
  page.reason[cell] = reasonCode("outdone");
  enter(page, cell, wasOffered ? ATTEMPT.cancelled : ATTEMPT.superseded, nowTicks);
}

/** Every cell that was not accepted ends here when a rollout stops or its offline grace is over. */
export function closeUnaccepted(
  page: AttemptPage,
  options: { from: readonly number[]; to: number; reason: string; nowTicks: number },
): boolean {
  let changed = false;
  for (let cell = 0; cell < page.cellCount; cell++) {
    const state = page.state[cell] ?? 0;
    if (isTerminal(state) || !options.from.includes(state)) continue;
    page.reason[cell] = reasonCode(options.reason);
    enter(page, cell, options.to, options.nowTicks);
    changed = true;
  }
  return changed;
}
