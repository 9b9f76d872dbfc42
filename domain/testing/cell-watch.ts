// SPDX-License-Identifier: Apache-2.0
/**
 * The attempts of one rollout, followed with the watcher's own book-keeping: since when a device
 * shows what it should, and for how long it has been in its phase. What the product makes of time
 * and evidence is judged by that.
 */
import {
  ATTEMPT,
  ATTEMPT_STATES,
  CELL_FLAGS,
  isTerminal,
  isUnderWay,
  reasonCode,
} from "../attempt.ts";
import { isUnproven } from "../attempt-counts.ts";
import { isGoingBack as hasWayBack } from "../path-step.ts";
import { PAGE_TICK_MS } from "../attempt-page.ts";
import { MAX_TRIES, type AttemptEvent } from "../attempt-step.ts";
import { EVIDENCE } from "../attempt-sweep.ts";
import { needsEvidence } from "../subject.ts";
import { windowOf } from "../window-deadlines.ts";
import { must } from "./invariants.ts";
import type { PureCenter } from "./pure-center.ts";
import type { PureRollout } from "./pure-rollout.ts";

type Reported = Extract<AttemptEvent, { kind: "reported" }>;

const COMMAND_TIMED_OUT = reasonCode("command-timed-out");

interface Watched {
  state: number;
  generation: number;
  flags: number;
  tries: number;
  /** When it came into its state, on the rollout's clock; later when its time stood still. */
  sinceTicks: number;
  /** Since when there is evidence without a break; −1 = none. */
  shownSinceTicks: number;
  seen: number;
  /** It may not go on: as of the last sweep its window was closed. */
  isHeldUp: boolean;
}

export class CellWatch {
  private readonly center: PureCenter;
  private readonly rollout: PureRollout;
  private readonly cells: Watched[] = [];
  /** By position: the generation under which its device has accepted. */
  private readonly accepted = new Map<number, number>();
  /** Positions that were back once, with evidence. */
  private readonly wereBack = new Set<number>();
  private sweptAtTicks = 0;

  constructor(center: PureCenter, rollout: PureRollout) {
    this.center = center;
    this.rollout = rollout;
    this.grow();
  }

  /** Whoever joined is watched from now on. */
  private grow(): void {
    while (this.cells.length < this.rollout.devices.length) {
      this.cells.push({
        state: ATTEMPT.pending,
        generation: 0,
        flags: 0,
        tries: 0,
        sinceTicks: this.rollout.nowTicks,
        shownSinceTicks: -1,
        seen: EVIDENCE.none,
        isHeldUp: false,
      });
    }
  }

  /** The device did; the center may not know yet. */
  deviceAccepted(position: number, generation: number): void {
    const isOnce = this.rollout.slot !== "command" || !this.accepted.has(position);
    must("once", isOnce, `position ${position} takes a command up again`);
    this.accepted.set(position, generation);
  }

  /** Before time and evidence do what they do: what the watcher thinks that they should see. */
  sweeping(elapsedTicks: number): void {
    this.look();
    const { rollout, center } = this;
    this.cells.forEach((cell, position) => {
      const seen = center.evidence(rollout, position, rollout.page.previous[position] ?? 0);
      const wasHeldUp = cell.isHeldUp;
      cell.isHeldUp = this.isHeldUp(position, cell.state);
      if (wasHeldUp) cell.sinceTicks += rollout.nowTicks - this.sweptAtTicks;
      if (seen === EVIDENCE.unknown) {
        // The moment in which its window opens is left out twice: the product's grain.
        if (!cell.isHeldUp) cell.sinceTicks += elapsedTicks;
        if (cell.shownSinceTicks !== -1) cell.shownSinceTicks += elapsedTicks;
        return;
      }
      cell.seen = seen;
      if (seen === EVIDENCE.target) {
        if (cell.shownSinceTicks === -1) cell.shownSinceTicks = rollout.nowTicks;
        return;
      }
      if (cell.shownSinceTicks === -1) return;
      // Its soak, even one that broke, was not silence.
      const soakedTicks = rollout.nowTicks - Math.max(cell.shownSinceTicks, cell.sinceTicks);
      if (cell.state === ATTEMPT.verifying) cell.sinceTicks += soakedTicks;
      cell.shownSinceTicks = -1;
    });
    this.sweptAtTicks = rollout.nowTicks;
  }

  private isHeldUp(position: number, state: number): boolean {
    const window = windowOf(state);
    return window !== null && this.rollout.isWindowClosed(position, window);
  }

  /** Before a report takes effect: it begins its phase anew, though it may be the same. */
  reporting({ position, generation, sequence }: Reported): void {
    const { page, nowTicks } = this.rollout;
    const cell = this.cells[position];
    if (cell === undefined || page.generation[position] !== generation) return;
    if (sequence > (page.sequence[position] ?? 0)) cell.sinceTicks = nowTicks;
  }

  /** What changed since the last look. */
  look(): void {
    this.grow();
    const { page, nowTicks } = this.rollout;
    this.cells.forEach((cell, position) => {
      const state = page.state[position] ?? 0;
      const flags = page.flags[position] ?? 0;
      const generation = page.generation[position] ?? 0;
      const tries = page.tries[position] ?? 0;
      // Nearly all of them, nearly always: histories take half the time with this line.
      if (state === cell.state && flags === cell.flags && generation === cell.generation) {
        if (tries === cell.tries) return;
      }
      this.checkFlags(cell, position, flags);
      if (state !== cell.state || generation !== cell.generation) {
        this.checkMove(cell, position, { state, generation });
        cell.sinceTicks = nowTicks;
      }
      cell.state = state;
      cell.generation = generation;
      cell.flags = flags;
      cell.tries = tries;
      if ((flags & CELL_FLAGS.settled) !== 0) this.wereBack.add(position);
    });
  }

  /**
   * Devices that were back and are not any more: they were given up and go on all the same, or
   * what they said meanwhile comes late. Nobody can take their place back from who has it now.
   */
  get resurfaced(): number {
    const { page } = this.rollout;
    const isNot = (position: number): boolean =>
      isUnproven(page.state[position] ?? 0, page.flags[position] ?? 0);
    return [...this.wereBack].filter(isNot).length;
  }

  private checkFlags(cell: Watched, position: number, flags: number): void {
    const { page } = this.rollout;
    const state = page.state[position] ?? 0;
    const has = (name: keyof typeof CELL_FLAGS): boolean => (flags & CELL_FLAGS[name]) !== 0;
    const isExposed = has("exposed");
    const who = `position ${position}`;
    must("exposed", !isExposed || this.accepted.has(position), `${who} has accepted nothing`);
    must("exposed", isExposed || !isUnderWay(state), `${who} is under way and not exposed`);
    must("failures", has("failed") || !isBad(state), `${who} failed and does not count`);
    const hadFailed = (cell.flags & CELL_FLAGS.failed) !== 0;
    must("failures", has("failed") || !hadFailed, `the failure of ${who} is forgotten`);
    must("tries", (page.tries[position] ?? 0) <= MAX_TRIES, `${who} was offered without end`);
  }

  private checkMove(
    cell: Watched,
    position: number,
    { state, generation }: { state: number; generation: number },
  ): void {
    const { rollout } = this;
    const move = `position ${position}: ${ATTEMPT_STATES[cell.state]} → ${ATTEMPT_STATES[state]}`;
    const told = this.center.told[rollout.devices[position] ?? -1];
    // That a command's time is over its device says itself.
    const isSaid = rollout.page.reason[position] === COMMAND_TIMED_OUT;
    const isLate = state === ATTEMPT["timed-out"] && !isSaid;
    const isSilent = state === ATTEMPT.lost || isLate;
    must("unheard", !isSilent || told?.presence !== "unknown", move);
    must("windows", !isSilent || !cell.isHeldUp, move);
    if (state === ATTEMPT.succeeded) this.checkSoak(cell, move);
    if (state === cell.state) return;
    // Its group has failed: the checks of groups judge that.
    const isGoingBack = rollout.isGoingBack(position);
    const hasTurned = isGoingBack && !hasWayBack(cell.flags);
    if (state === ATTEMPT.pending) {
      must("stop-offers", !rollout.isStopping, `${move} in a stop`);
      const hasAccepted = this.accepted.get(position) === cell.generation;
      must("tokens", hasTurned || !hasAccepted, `${move}, and has accepted`);
    }
    if (isDecided(cell.state) && !hasTurned) {
      const isTaken =
        isGoingBack || cell.state === ATTEMPT.succeeded || cell.state === ATTEMPT.superseded;
      must("phases", isTaken && state === ATTEMPT["rolled-back"], move);
      must("phases", rollout.progress.state === "rolling-back", move);
    }
    // One that was given up and found to have done it may still tell how.
    const wasGivenUp = (cell.flags & CELL_FLAGS.failed) !== 0;
    if (cell.generation !== generation || wasGivenUp || !isUnderWay(state)) return;
    must("phases", !isUnderWay(cell.state) || cell.state < state, move);
  }

  private checkSoak(cell: Watched, move: string): void {
    const { soakMs } = this.rollout.frame.spec;
    if (!needsEvidence(this.rollout.frame.spec)) return;
    must("evidence", cell.shownSinceTicks !== -1, `${move} without evidence`);
    const shownMs = (this.sweptAtTicks - cell.shownSinceTicks) * PAGE_TICK_MS;
    must("evidence", shownMs >= soakMs, `${move} after ${shownMs} ms of ${soakMs}`);
  }

  /** After a sweep: nobody is left over who should have been given up. */
  swept(): void {
    this.look();
    this.cells.forEach((cell, position) => {
      // The last sweep passed over one that was held up then.
      if (!isUnderWay(cell.state) || cell.isHeldUp) return;
      const presence = this.center.told[this.rollout.devices[position] ?? -1]?.presence;
      if (presence === "unknown") return;
      if (cell.state === ATTEMPT.verifying && cell.seen === EVIDENCE.target) return;
      const phaseMs = (this.sweptAtTicks - cell.sinceTicks) * PAGE_TICK_MS;
      const deadlineMs = this.deadlineOf(cell.state);
      const what = `position ${position} has been ${ATTEMPT_STATES[cell.state]} for ${phaseMs} ms`;
      must("deadlines", phaseMs < deadlineMs, `${what} of ${deadlineMs}`);
    });
  }

  private deadlineOf(state: number): number {
    const { downloadMs, waitingMs, installMs, verifyMs } = this.rollout.frame.spec.deadlines;
    if (state === ATTEMPT.accepted || state === ATTEMPT.downloading) return downloadMs;
    if (state === ATTEMPT.waiting) return waitingMs;
    return state === ATTEMPT.verifying ? verifyMs : installMs;
  }

  /** In truth or for ever: nothing is open, and who was never reached is said to be. */
  ended(): void {
    const { page } = this.rollout;
    this.cells.forEach((_, position) => {
      const state = page.state[position] ?? 0;
      must("one-end", isTerminal(state), `position ${position} is ${ATTEMPT_STATES[state]}`);
      const isUnreachable = state === ATTEMPT.unreachable;
      const reason = page.reason[position];
      const isNamed = !isUnreachable || reason === reasonCode("never-reached");
      must("one-end", isNamed, `position ${position} is unreachable without a reason`);
    });
  }
}

/** Failed in a way that nothing but a failure leads to. */
function isBad(state: number): boolean {
  return state === ATTEMPT.lost || state === ATTEMPT["timed-out"] || state === ATTEMPT.failed;
}

/** It has said how it ended, or proven it. */
function isDecided(state: number): boolean {
  return (
    state === ATTEMPT.succeeded ||
    state === ATTEMPT.failed ||
    state === ATTEMPT["rolled-back"] ||
    state === ATTEMPT.rejected ||
    state === ATTEMPT.superseded
  );
}
