// SPDX-License-Identifier: Apache-2.0
/**
 * Kills a role again and again, each time at the moment that it asks for: every start arms one
 * window (`crash:NAME#n`, runtime/faults.ts), the process dies of SIGKILL when it passes it for the
 * n-th time, and is started with the next one armed. Which window, and which pass, is drawn from a
 * seed; every window comes twice before any comes by chance.
 *
 * A kill counts when the trace of the process shows that it died in its window. A process that does
 * not come to its window within the bound (nothing is going on) is killed all the same, not
 * counted, and its window stays owed. So is one that runs unarmed, until more kills are allowed.
 */
import { readFile, rm } from "node:fs/promises";
import type { RoleProcess } from "../../cli/demo/role-process.ts";
import { isMusterError } from "../../domain/errors.ts";
import { delay } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import { systemClock } from "../../runtime/system-clock.ts";
import type { Environment } from "./fleet.ts";

/** A moment between deciding, writing and telling, by its fault point. */
export interface Window {
  readonly name: string;
  /** The process dies at one of its first so many passes. */
  readonly mostPasses: number;
}

/** A process that may be killed and started again. */
export interface Victim {
  readonly name: string;
  /** The process as started last. */
  process(): RoleProcess;
  start(environment: Environment): Promise<unknown>;
}

const KILLS_A_WINDOW = 2;
const POLL_MS = 20;
/** Longer than a whole wave takes when nobody is killed. */
const BOUND_MS = 15_000;

export class Killer {
  /** By window. */
  readonly kills: Map<string, number>;
  /** Kills of processes that did not come to their window. */
  elsewhereCount = 0;
  readonly #windows: readonly Window[];
  readonly #wanted: number;
  readonly #random: Random;
  readonly #armed = new Map<string, number>();
  #allowed = 0;

  /** `killCount`: of all victims together. */
  constructor(options: { windows: readonly Window[]; killCount: number; random: Random }) {
    this.#windows = options.windows;
    this.#wanted = options.killCount;
    this.#random = options.random;
    this.kills = new Map(options.windows.map(({ name }) => [name, 0]));
  }

  get killCount(): number {
    return [...this.kills.values()].reduce((sum, count) => sum + count, 0);
  }

  get isDone(): boolean {
    return this.killCount >= this.#wanted;
  }

  /** This share (0–1) of all kills may have happened from now on: so they spread over rollouts. */
  allow(share: number): void {
    this.#allowed = Math.ceil(share * this.#wanted);
  }

  /** Kills this victim until there were enough, and leaves it running. */
  async haunt(victim: Victim, traceFile: string, signal: AbortSignal): Promise<void> {
    while (!this.isDone) {
      if (!this.#mayKill) {
        await delay(systemClock, POLL_MS, signal);
        continue;
      }
      if (victim.process().isRunning) await victim.process().kill();
      const window = this.#next();
      const { name } = window;
      const pass = 1 + Math.floor(this.#random.next() * window.mostPasses);
      this.#count(this.#armed, name, 1);
      await rm(traceFile, { force: true });
      await start(victim, {
        MUSTER_FAULTS: `crash:${name}#${pass}`,
        MUSTER_FAULT_TRACE: traceFile,
      });
      const died = await diedWithin(victim.process(), () => this.isDone, signal);
      this.#count(this.#armed, name, -1);
      if (died && (await passesIn(traceFile, name)) === pass) this.#count(this.kills, name, 1);
      else {
        await victim.process().kill();
        this.elsewhereCount++;
      }
      if (!this.#mayKill || this.isDone) await victim.start({});
    }
  }

  get #mayKill(): boolean {
    const armedCount = [...this.#armed.values()].reduce((sum, count) => sum + count, 0);
    return this.killCount + armedCount < this.#allowed;
  }

  /** One of those that came least often among the owed; any, when none is owed. */
  #next(): Window {
    const due = (window: Window): number =>
      (this.kills.get(window.name) ?? 0) + (this.#armed.get(window.name) ?? 0);
    const owed = this.#windows.filter((window) => due(window) < KILLS_A_WINDOW);
    const choice = owed.length > 0 ? owed : this.#windows;
    const window = choice[Math.floor(this.#random.next() * choice.length)];
    if (window === undefined) throw new Error("a killer has windows");
    return window;
  }

  #count(counts: Map<string, number>, name: string, change: number): void {
    counts.set(name, (counts.get(name) ?? 0) + change);
  }
}

/** A process that dies in its window before it is ready has started all the same. */
async function start(victim: Victim, environment: Environment): Promise<void> {
  try {
    await victim.start(environment);
  } catch (error) {
    if (!isMusterError(error) || victim.process().isRunning) throw error;
  }
}

/** False when the bound passed, or nobody needs to die any more. */
async function diedWithin(
  process: RoleProcess,
  isDone: () => boolean,
  signal: AbortSignal,
): Promise<boolean> {
  const deadlineMs = systemClock.monotonicMs() + BOUND_MS;
  while (process.isRunning) {
    if (isDone() || systemClock.monotonicMs() > deadlineMs) return false;
    await delay(systemClock, POLL_MS, signal);
  }
  return true;
}

async function passesIn(traceFile: string, window: string): Promise<number> {
  const trace = await readFile(traceFile, "utf8").catch(() => "");
  return trace.split("\n").filter((name) => name === window).length;
}

/** The coverage, as a table. */
export function coverageLines(killers: readonly Killer[]): string[] {
  const rows = killers.flatMap(({ kills }) => [...kills]);
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, count]) => `${name.padEnd(width)}  ${count}`);
}
