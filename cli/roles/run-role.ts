// SPDX-License-Identifier: Apache-2.0
/**
 * A role as a process: start it, say in one line where it listens, run until SIGTERM or SIGINT, let
 * it drain within a deadline. Exit status 0 after an orderly end, 1 otherwise.
 *
 * The ready file is for scripts: JSON with the ports that were bound, there from the moment the
 * role does its work and never half written.
 */
import { writeWhole } from "../files.ts";
import { note, type Shell } from "../shell.ts";

/** Supervisors kill after 30 s or more; what a role holds is handed over in less. */
export const DRAIN_DEADLINE_MS = 15_000;

/** What every role is once it runs. */
export interface RunningRole {
  /** Settles when it has ended; rejects when it cannot go on. */
  readonly ended: Promise<void>;
  /** Drains and ends. */
  stop(): Promise<void>;
}

/** What the ready file and the first line say: `{ mqttsPort: 8883 }`. */
export type ReadyFacts = { readonly [name: string]: string | number };

export async function runRole(options: {
  shell: Shell;
  /** `center`, `gateway eu/gw-1`, `agent default/till-0042`. */
  start: (signal: AbortSignal) => Promise<{ name: string; role: RunningRole; facts: ReadyFacts }>;
  readyFile: string | undefined;
}): Promise<void> {
  const { shell, readyFile } = options;
  const { interrupt } = shell;
  interrupt.drain(DRAIN_DEADLINE_MS);
  const started = await options.start(interrupt.signal).catch((error: unknown) => {
    if (interrupt.signal.aborted) return null; // It was asked to end before it was ready.
    throw error;
  });
  if (started === null) return;
  const { name, role, facts } = started;
  try {
    if (readyFile !== undefined) {
      const text = `${JSON.stringify({ pid: process.pid, ...facts })}\n`;
      await writeWhole(readyFile, text, "writing the ready file");
    }
    note(shell, `muster ${name} is ready: ${readySentence(facts)}`);
    await Promise.race([role.ended, aborted(interrupt.signal)]);
  } finally {
    await role.stop();
  }
  await role.ended;
}

function readySentence(facts: ReadyFacts): string {
  return Object.entries(facts)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
