// SPDX-License-Identifier: Apache-2.0
/**
 * How a command is stopped from outside. Ordinary commands are cut short: the signal aborts, what
 * waits gives up, and the exit status is 128 + the signal's number (130 after Ctrl-C). Roles drain
 * instead: they call `drain` once, finish what they hold when the signal aborts, and end with 0, or
 * with 1 when the deadline passes first. A second Ctrl-C ends any of them at once.
 */
import type { Clock } from "../ports/clock.ts";

/** Signals that ask a process to end, with their exit status. */
const STATUS_BY_SIGNAL: { readonly [name: string]: number } = { SIGINT: 130, SIGTERM: 143 };

/** Time an interrupted command has to put its things away before the process is ended. */
const CLEANUP_MS = 2_000;

export interface Interrupt {
  /** Aborted by SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
  /** From here on an interruption means: finish what is held, for at most `deadlineMs`. */
  drain(deadlineMs: number): void;
}

/** The interrupt of a real process. */
export interface ProcessInterrupt extends Interrupt {
  /** The status to exit with after the command has ended by itself; null = its own. */
  exitStatus(): number | null;
}

export function createProcessInterrupt(options: {
  events: Pick<NodeJS.EventEmitter, "on">;
  clock: Clock;
  /** Ends the process now. */
  exit: (status: number) => void;
  /** Called once when the drain deadline passes. */
  onDrainTimeout: (deadlineMs: number) => void;
}): ProcessInterrupt {
  const controller = new AbortController();
  let drainMs: number | null = null;
  let received: string | null = null;

  const onSignal = (name: string): void => {
    const status = STATUS_BY_SIGNAL[name] ?? 1;
    if (received !== null) {
      options.exit(status);
      return;
    }
    received = name;
    const deadlineMs = drainMs;
    options.clock.setTimer(deadlineMs ?? CLEANUP_MS, () => {
      if (deadlineMs === null) return options.exit(status);
      options.onDrainTimeout(deadlineMs);
      options.exit(1);
    });
    controller.abort(new Error(`interrupted by ${name}`));
  };
  for (const name of Object.keys(STATUS_BY_SIGNAL)) {
    options.events.on(name, () => onSignal(name));
  }

  return {
    signal: controller.signal,
    drain: (deadlineMs) => {
      drainMs = deadlineMs;
    },
    exitStatus: () =>
      received === null || drainMs !== null ? null : (STATUS_BY_SIGNAL[received] ?? 1),
  };
}
