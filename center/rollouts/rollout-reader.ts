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
import type { Store, StoredDocument } from "../../ports/store.ts";
import type { Rollout } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { rolloutMessage } from "../api/rollout-message.ts";
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
      return rolloutMessage({ record, revision, plan: open.plan, counts: open.counts });
    }
    const stored = await store.getDocument("plan", key, { signal });
    const plan = stored === null ? null : readPlan(stored);
    const counts = plan === null ? [] : await countStored(store, record, plan, signal);
    return rolloutMessage({ record, revision, plan, counts });
  };
  return {
    show,
    read: async (key, signal) => {
      const document = await store.getDocument("rollout", key, { signal });
      return document === null ? null : show(document, signal);
    },
  };
}

async function countStored(
  store: Store,
  record: RolloutRecord,
  plan: PlanRecord,
  signal: AbortSignal,
): Promise<AttemptCounts[]> {
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
  for (let number = 0; number < pageCount; number++) {
    const bytes = stored.get(number);
    const cells = Math.min(CELLS_PER_PAGE, plan.deviceCount - number * CELLS_PER_PAGE);
    const page =
      bytes === undefined ? createAttemptPage(number, cells) : decodeAttemptPage(number, bytes);
    countPage(page, plan.waves).forEach((counts, wave) => {
      totals[wave] = sumCounts([totals[wave] ?? emptyCounts(), counts]);
    });
  }
  return totals;
}
