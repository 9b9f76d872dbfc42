// SPDX-License-Identifier: Apache-2.0
/**
 * Ends what an agent that was killed left running: step commands and health checks, found by the
 * marker in their environment. Without this, such a command could go on writing into a side that
 * the new agent cleans and installs again. Linux only (`/proc`); elsewhere nothing is found.
 */
import { readdir, readFile } from "node:fs/promises";
import type { Clock } from "../../ports/clock.ts";
import { delay } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import { STEP_MARKER } from "./system-process-runner.ts";

const POLL_MS = 10;
/**
 * SIGKILL takes effect at once unless the process waits for a disk; then the start waits with it.
 */
const POLL_COUNT = 1_000;

export async function endOrphans(options: {
  dataDirectory: string;
  clock: Clock;
  logger: Logger;
  signal: AbortSignal;
}): Promise<void> {
  const marker = `${STEP_MARKER}=${options.dataDirectory}`;
  for (let poll = 0; poll < POLL_COUNT; poll += 1) {
    const orphans = await findMarked(marker);
    if (orphans.length === 0) return;
    if (poll === 0) {
      options.logger.warn("Ending programs that an earlier agent left running.", { orphans });
    }
    for (const pid of orphans) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It ended by itself meanwhile.
      }
    }
    await delay(options.clock, POLL_MS, options.signal);
  }
  options.logger.error("Programs of an earlier agent could not be ended.", { marker });
}

async function findMarked(marker: string): Promise<number[]> {
  const found: number[] = [];
  for (const name of await namesIn("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      const environment = await readFile(`/proc/${pid}/environ`, "utf8");
      if (environment.split("\0").includes(marker)) found.push(pid);
    } catch {
      // Ended meanwhile, or another user's: neither is ours to end.
    }
  }
  return found;
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch {
    return []; // No /proc on this system.
  }
}
