// SPDX-License-Identifier: Apache-2.0
/**
 * The thread of a rehearsal: plays every scenario it was given, one after the other, each on a
 * Store and an EventLog in memory, and tells the center's thread what came of it. It names engines,
 * as the wiring of a role does, because it is started like one.
 */
import assert from "node:assert/strict";
import { parentPort, workerData } from "node:worker_threads";
import { toMusterError } from "../../domain/errors.ts";
import { openDirectEventLog } from "../../engines/embedded/event-log.ts";
import { openDirectSqliteStore } from "../../engines/sqlite/direct-store.ts";
import { encodeError } from "../../runtime/worker-messages.ts";
import { RehearsalClock } from "./rehearsal-clock.ts";
import { RehearsedCenter } from "./rehearsed-center.ts";
import { play } from "./rehearse.ts";
import type { RehearsalScript, RehearsalNews, Scenario } from "./rehearsal.ts";

interface ThreadData {
  readonly script: RehearsalScript;
  readonly scenarios: readonly Scenario[];
}

async function playAll({ script, scenarios }: ThreadData): Promise<void> {
  for (const scenario of scenarios) {
    const clock = new RehearsalClock(script.startAtMs);
    const store = openDirectSqliteStore({ path: ":memory:", clock });
    const log = openDirectEventLog({ path: ":memory:" });
    await using center = await RehearsedCenter.open(script, scenario, { store, log });
    const onProgress = (virtualMs: number): void => tell({ kind: "progress", virtualMs });
    tell({ kind: "play", scenario, play: await play(center, script, onProgress) });
  }
}

function tell(news: RehearsalNews): void {
  assert(parentPort !== null, "a rehearsal runs in a thread of its own");
  parentPort.postMessage(news, []);
}

try {
  await playAll(workerData as ThreadData);
} catch (error) {
  tell({ kind: "failed", error: encodeError(toMusterError(error, "rehearsing the rollout")) });
}
