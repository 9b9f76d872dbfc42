// SPDX-License-Identifier: Apache-2.0
/**
 * New connections, before their first byte is read: at most so many a second, so that devices that
 * are there already hardly notice how many come. The rest waits in line; who has waited for too
 * long is refused and tries again, for a device that has given up before its turn comes is work for
 * nothing.
 *
 * One signal, the event loop's use: each 100 ms the rate falls by a fifth where the loop is busier
 * than is wanted, and grows by a quarter, up to its limit, where somebody waits. So nobody has to
 * know what a handshake costs on this machine, or what else goes on. Without a storm a connection
 * begins in the turn in which it comes.
 *
 * Suspects have a line of their own, and begin far more slowly. To close their connections at once
 * would cost more: they would come back at once.
 */
import type { Clock } from "../../ports/clock.ts";
import { WaitingLine } from "./waiting-line.ts";

/** Of the loop's time; the rest is for what comes in bursts: collections, grants of the center. */
const WANTED_USE = 0.5;
/** However busy the loop is, somebody gets in. */
const LEAST_RATE = 50;
const ADAPT_MS = 100;
const GROWTH = 1.25;
/** Below the 25 s that our agent gives a connection and its handshake; other clients give 30 s. */
const LONGEST_WAIT_MS = 19_000;
/** What may begin at once after a calm, and in a turn of the loop: a fraction of a millisecond. */
const BURST = 8;
const BEGINS_A_TURN = 2;
/** While only suspects wait: soon enough for them. */
const IDLE_TURN_MS = 10;
/** Who waited too long is gone, and costs little: so many in a turn. */
const REFUSALS_A_TURN = 16;
/** Of the rate. */
const SUSPECTS_SHARE = 0.02;

/** A connection that wants to begin; one of the two is called, once. */
export interface Newcomer {
  /** From its address the protocol was broken of late. */
  readonly isSuspect: boolean;
  begin(): void;
  refuse(): void;
}

export interface ConnectionGateOptions {
  readonly clock: Clock;
  /** How many connections a second may begin. */
  readonly mostRate: number;
  /** Part of the time since the last call in which the event loop was busy, from 0 to 1. */
  readonly loopUse: () => number;
}

interface Waiting {
  readonly newcomer: Newcomer;
  readonly sinceMs: number;
}

export class ConnectionGate {
  readonly #clock: Clock;
  readonly #mostRate: number;
  readonly #loopUse: () => number;
  readonly #line = new WaitingLine<Waiting>();
  readonly #suspects = new WaitingLine<Waiting>();
  #rate: number;
  /** How many may begin now. */
  #credit = BURST;
  #suspectsCredit = 0;
  #creditedAtMs: number;
  #adaptedAtMs: number;
  #isScheduled = false;
  #isClosed = false;

  constructor(options: ConnectionGateOptions) {
    this.#clock = options.clock;
    this.#mostRate = options.mostRate;
    this.#loopUse = options.loopUse;
    this.#rate = options.mostRate;
    this.#creditedAtMs = options.clock.monotonicMs();
    this.#adaptedAtMs = this.#creditedAtMs;
  }

  /** Of both lines. */
  get waitingCount(): number {
    return this.#line.length + this.#suspects.length;
  }

  /** Connections a second that may begin now. */
  get rate(): number {
    return this.#rate;
  }

  /** Nobody begins any more: who waits is refused, and finds another gateway. */
  close(): void {
    this.#isClosed = true;
    for (const line of [this.#line, this.#suspects]) {
      while (line.first !== undefined) line.shift()?.newcomer.refuse();
    }
  }

  enter(newcomer: Newcomer): void {
    const { isSuspect } = newcomer;
    if (this.#isClosed) return newcomer.refuse();
    this.#adapt();
    this.#addCredit();
    if (!isSuspect && this.#line.length === 0 && this.#credit >= 1) {
      this.#credit -= 1;
      return newcomer.begin();
    }
    const line = isSuspect ? this.#suspects : this.#line;
    if (line.length >= (this.#mostRate * LONGEST_WAIT_MS) / 1_000) return newcomer.refuse();
    line.add({ newcomer, sinceMs: this.#clock.monotonicMs() });
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const waitMs = this.#line.length > 0 ? ((1 - this.#credit) / this.#rate) * 1_000 : IDLE_TURN_MS;
    this.#clock.setTimer(Math.max(0, Math.ceil(waitMs)), () => {
      this.#isScheduled = false;
      this.#turn();
    });
  }

  #turn(): void {
    this.#adapt();
    this.#addCredit();
    this.#refuseLate(this.#line);
    this.#refuseLate(this.#suspects);
    for (let begun = 0; begun < BEGINS_A_TURN && this.#credit >= 1; begun += 1) {
      const isSuspect = this.#suspectsCredit >= 1 && this.#suspects.length > 0;
      const waiting = (isSuspect ? this.#suspects : this.#line).shift();
      if (waiting === undefined) break;
      this.#credit -= 1;
      if (isSuspect) this.#suspectsCredit -= 1;
      waiting.newcomer.begin();
    }
    if (this.waitingCount > 0) this.#schedule();
  }

  #refuseLate(line: WaitingLine<Waiting>): void {
    const lateMs = this.#clock.monotonicMs() - LONGEST_WAIT_MS;
    for (let count = 0; count < REFUSALS_A_TURN; count += 1) {
      const { first } = line;
      if (first === undefined || first.sinceMs > lateMs) return;
      line.shift();
      first.newcomer.refuse();
    }
  }

  #addCredit(): void {
    const nowMs = this.#clock.monotonicMs();
    const earned = ((nowMs - this.#creditedAtMs) * this.#rate) / 1_000;
    this.#credit = Math.min(BURST, this.#credit + earned);
    this.#suspectsCredit = Math.min(1, this.#suspectsCredit + earned * SUSPECTS_SHARE);
    this.#creditedAtMs = nowMs;
  }

  #adapt(): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#adaptedAtMs < ADAPT_MS) return;
    this.#adaptedAtMs = nowMs;
    const isBusy = this.#loopUse() > WANTED_USE;
    const leastRate = Math.min(LEAST_RATE, this.#mostRate);
    if (isBusy) this.#rate = Math.max(leastRate, this.#rate / GROWTH);
    // Where nobody waits, nothing says that more would come.
    else if (this.#line.length > 0) this.#rate = Math.min(this.#mostRate, this.#rate * GROWTH);
  }
}
