// SPDX-License-Identifier: Apache-2.0
/** Looks every few seconds at how much CPU the workers use, and adds or takes one away. */
import { delay, type Clock } from "../../ports/clock.ts";
import type { ScaleOut } from "./scale-out.ts";
import type { WorkerPool } from "./worker-pool.ts";

export interface ScaleWatchOptions {
  readonly pool: Pick<WorkerPool, "count" | "facts" | "grow" | "shrink">;
  readonly scaleOut: ScaleOut;
  readonly everyMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Resolves when the signal aborts. */
export async function watchScale(options: ScaleWatchOptions): Promise<void> {
  const { pool, scaleOut, everyMs, clock, signal } = options;
  for (;;) {
    await delay(clock, everyMs, signal).catch(() => {}); // The next line sees the signal.
    if (signal.aborted) return;
    const wanted = scaleOut.wanted(await pool.facts(), pool.count, clock.monotonicMs());
    if (wanted > pool.count) await pool.grow();
    else if (wanted < pool.count) await pool.shrink();
  }
}
