// SPDX-License-Identifier: Apache-2.0
/**
 * One process of a swarm that is divided over several: is told its devices by its parent, says how
 * they do twice a second, and ends when it is told to or when its parent is gone. Ctrl-C reaches
 * the whole group of processes; here it means nothing, the parent says what to do.
 */
import { toMusterError } from "../../domain/errors.ts";
import { SILENT_LOGGER } from "../../ports/logger.ts";
import type { CancelTimer } from "../../ports/clock.ts";
import { systemClock } from "../../runtime/system-clock.ts";
import { systemRandom } from "../../runtime/system-random.ts";
import { encodeError } from "../../runtime/worker-messages.ts";
import type { RunningSwarm } from "./options.ts";
import type { FromPart, PartOptions, ToPart } from "./process-messages.ts";
import { startSwarm } from "./swarm.ts";

const STATS_EVERY_MS = 500;

const stop = new AbortController();
let running: Promise<void> = Promise.resolve();

function say(message: FromPart): void {
  if (process.connected) process.send?.(message);
}

async function run(options: PartOptions): Promise<void> {
  try {
    const swarm = await startSwarm({
      ...options,
      clock: systemClock,
      random: systemRandom,
      logger: SILENT_LOGGER,
      signal: stop.signal,
      onEnrolled: (deviceCount) => say({ kind: "enrolled", deviceCount }),
    });
    say({ kind: "started", journalFile: swarm.journalFile });
    await live(swarm);
  } catch (error) {
    if (stop.signal.aborted) return;
    say({ kind: "failed", error: encodeError(toMusterError(error, "simulating devices")) });
  }
}

async function live(swarm: RunningSwarm): Promise<void> {
  let cancelTimer: CancelTimer = () => {};
  const sayStats = (): void => {
    say({ kind: "stats", stats: swarm.stats() });
    cancelTimer = systemClock.setTimer(STATS_EVERY_MS, sayStats);
  };
  sayStats();
  const stopped = new Promise<void>((resolve) => {
    if (stop.signal.aborted) resolve();
    else stop.signal.addEventListener("abort", () => resolve(), { once: true });
  });
  try {
    await Promise.race([stopped, swarm.failed]);
  } finally {
    cancelTimer();
    await swarm.stop();
    say({ kind: "stats", stats: swarm.stats() });
  }
}

/** The process ends by itself when nothing is left to do. */
async function end(): Promise<void> {
  stop.abort(new Error("the swarm stops"));
  await running;
  if (process.connected) process.disconnect?.();
}

process.on("message", (message: ToPart) => {
  if (message.kind === "start") running = run(message.options);
  else void end();
});
process.on("disconnect", () => void end());
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => {});
