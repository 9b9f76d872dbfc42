// SPDX-License-Identifier: Apache-2.0
/** Counts of a rollout that is not open, of the attempt pages that the Store holds. */
import { countPage, emptyCounts, sumCounts } from "../../domain/attempt-counts.ts";
import {
  CELLS_PER_PAGE,
  createAttemptPage,
  decodeAttemptPage,
  growAttemptPage,
} from "../../domain/attempt-page.ts";
import { SliceTally } from "../../domain/slice-tally.ts";
import type { Store } from "../../ports/store.ts";
import type { Counted } from "./kept-counts.ts";
import { loadSlices } from "./loop-state.ts";
import { pageIds, positionCount } from "./plan-loader.ts";
import type { PlanRecord, RolloutRecord } from "./rollout-record.ts";

/** A page that was never written is one of pending attempts. */
export async function countStored(
  store: Store,
  record: RolloutRecord,
  plan: PlanRecord,
  signal: AbortSignal,
): Promise<Counted> {
  const deviceCount = positionCount(record, plan);
  const ids = pageIds("attempt", record, plan);
  const stored = new Map(
    (await store.loadPages(ids, { signal })).map((page) => [page.number, page.bytes]),
  );
  const totals = plan.waves.map(emptyCounts);
  const tally = new SliceTally((await loadSlices(store, record, plan, signal)).sliced);
  for (const { number } of ids) {
    const bytes = stored.get(number);
    const cells = Math.min(CELLS_PER_PAGE, deviceCount - number * CELLS_PER_PAGE);
    const page =
      bytes === undefined
        ? createAttemptPage(number, cells)
        : growAttemptPage(decodeAttemptPage(number, bytes), cells);
    tally.look(page);
    countPage(page, plan.waves, undefined, record.progress.joined).forEach((counts, wave) => {
      totals[wave] = sumCounts([totals[wave] ?? emptyCounts(), counts]);
    });
  }
  return { counts: totals, tally };
}
