// SPDX-License-Identifier: Apache-2.0
/**
 * One life of a node (a center, a gateway, a device), from its start to a crash. It is the clock of
 * all code that runs in it: what a dead one waits for never comes, and no port answers it any more
 * (mortal.ts), so a crash is as sudden as a power cut although nobody throws anything.
 *
 * Whose code runs is known at each moment, because it all starts at a timer of its life, and
 * everything between two nodes goes by a timer of the one that receives. So a named point in
 * product code (runtime/faults.ts) tells who passes it.
 */
import type { CancelTimer, Clock } from "../../ports/clock.ts";
import type { VirtualTime } from "./virtual-time.ts";

export type Role = "center" | "gateway" | "agent" | "operator";

export interface LifeOptions {
  readonly time: VirtualTime;
  /** As in the history: `device-7`. */
  readonly who: string;
  readonly role: Role;
  /** How far the node's wall clock is ahead, ms. */
  readonly aheadMs: () => number;
  /** Whether it dies at a point that it passes now. */
  readonly diesAt: (point: string) => boolean;
  /** Told once, of the last point passed. */
  readonly onDeath: (point: string) => void;
}

/** The life whose code runs now. */
const now: { life: Life | null } = { life: null };

/** Of the life whose code runs now, when the point is one of its role's. */
export function passPoint(point: string): void {
  const { life } = now;
  if (life !== null && point.startsWith(`${life.role}.`)) life.pass(point);
}

export class Life implements Clock {
  readonly who: string;
  readonly role: Role;
  private readonly options: LifeOptions;
  private readonly endings = new Set<() => void>();
  private isOver = false;

  constructor(options: LifeOptions) {
    this.options = options;
    this.who = options.who;
    this.role = options.role;
  }

  get isAlive(): boolean {
    return !this.isOver;
  }

  monotonicMs(): number {
    return this.options.time.monotonicMs();
  }

  wallMs(): number {
    return this.options.time.wallMs() + this.options.aheadMs();
  }

  setTimer(delayMs: number, callback: () => void): CancelTimer {
    return this.options.time.setTimer(delayMs, () => {
      if (this.isOver) return;
      this.run(callback);
    });
  }

  private run(callback: () => void): void {
    now.life = this;
    callback();
  }

  /** May be its last. */
  pass(point: string): void {
    if (!this.isOver && this.options.diesAt(point)) this.die(point);
  }

  die(point: string): void {
    if (this.isOver) return;
    this.isOver = true;
    this.options.onDeath(point);
    for (const ending of this.endings) ending();
    this.endings.clear();
  }

  /** Calls back at its death. Returns how to stop. */
  atDeath(callback: () => void): () => void {
    this.endings.add(callback);
    return () => this.endings.delete(callback);
  }
}

/** What code of a dead life gets for an answer: none, ever. */
export function never<T>(): Promise<T> {
  return new Promise(() => {});
}
