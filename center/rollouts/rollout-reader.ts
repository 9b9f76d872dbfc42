// SPDX-License-Identifier: Apache-2.0
/**
 * Reads rollouts for people: of an open one what the loop has stored last, of any other what the
 * Store holds.
 */
import {
  countPage,
  emptyCounts,
  sumCounts,
  type AttemptCounts,
} from "../../domain/attempt-counts.ts";
import { CELLS_PER_PAGE, createAttemptPage, decodeAttemptPage } from "../../domain/attempt-page.ts";
import { isOpen } from "../../domain/rollout.ts";
import { SliceTally, type Tally } from "../../domain/slice-tally.ts";
import type { Store, StoredDocument } from "../../ports/store.ts";
import type { Rollout } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { rolloutMessage } from "../api/rollout-message.ts";
import { loadSlices } from "./loop-state.ts";
import type { OpenRollout } from "./open-rollout.ts";
import { readPlan, readRollout, type PlanRecord, type RolloutRecord } from "./rollout-record.ts";

export interface RolloutReader {
  /** null when there is none of that key (`tenant/name`). */
  read(key: string, signal: AbortSignal): Promise<Rollout | null>;
  /** The message of a document already read. */
  show(document: StoredDocument, signal: AbortSignal): Promise<Rollout>;
}

export function createRolloutReader(options: {
  store: Store;
  openRollout: (rolloutNumber: number) => OpenRollout | undefined;
}): RolloutReader {
  const { store } = options;
  const show = async (document: StoredDocument, signal: AbortSignal): Promise<Rollout> => {
    const record = readRollout(document);
    const { revision, key } = document;
    const open = options.openRollout(record.number);
    if (open !== undefined && isOpen(record.progress.state)) {
      return rolloutMessage({ record, revision, plan: open.plan, ...countsOf(open) });
    }
    const stored = await store.getDocument("plan", key, { signal });
    const plan = stored === null ? null : readPlan(stored);
    if (plan === null) return rolloutMessage({ record, revision, plan, counts: [], tally: null });
    const counted = await countStored(store, record, plan, signal);
    return rolloutMessage({ record, revision, plan, ...counted });
  };
  return {
    show,
    read: async (key, signal) => {
      const document = await store.getDocument("rollout", key, { signal });
      return document === null ? null : show(document, signal);
    },
  };
}

interface Counted {
  readonly counts: readonly AttemptCounts[];
  readonly tally: Tally;
}

function countsOf(open: OpenRollout): Counted {
  return { counts: open.counts, tally: open.sight.tally };
}

async function countStored(
  store: Store,
  record: RolloutRecord,
  plan: PlanRecord,
  signal: AbortSignal,
): Promise<Counted> {
  const owner = String(record.number);
  const pageCount = Math.ceil(plan.deviceCount / CELLS_PER_PAGE);
  const ids = Array.from({ length: pageCount }, (_, number) => ({
    kind: "attempt" as const,
    owner,
    number,
  }));
  const stored = new Map(
    (await store.loadPages(ids, { signal })).map((page) => [page.number, page.bytes]),
  );
  const totals = plan.waves.map(emptyCounts);
  const tally = new SliceTally(await loadSlices(store, record, plan, signal));
  for (let number = 0; number < pageCount; number++) {
    const bytes = stored.get(number);
    const cells = Math.min(CELLS_PER_PAGE, plan.deviceCount - number * CELLS_PER_PAGE);
    const page =
      bytes === undefined ? createAttemptPage(number, cells) : decodeAttemptPage(number, bytes);
    tally.look(page);
    countPage(page, plan.waves).forEach((counts, wave) => {
      totals[wave] = sumCounts([totals[wave] ?? emptyCounts(), counts]);
    });
  }
  return { counts: totals, tally };
}
