// SPDX-License-Identifier: Apache-2.0
/**
 * Reads rollouts for people: of an open one what the loop has stored last, of any other what the
 * Store holds, or what was kept of it.
 */
import { isOpen, isUnstarted } from "../../domain/rollout.ts";
import type { Store, StoredDocument } from "../../ports/store.ts";
import type { Rollout } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { rolloutMessage } from "../api/rollout-message.ts";
import type { OpenRollout } from "./open-rollout.ts";
import { countsBeforeStart, countsKept, type Counted } from "./kept-counts.ts";
import { readPlan, readRollout, type PlanRecord, type RolloutRecord } from "./rollout-record.ts";
import type { StopLedger } from "./stop-ledger.ts";
import { countStored } from "./stored-counts.ts";
import type { Waits } from "./waits.ts";

export interface RolloutReader {
  /** null when there is none of that key (`tenant/name`). */
  read(key: string, signal: AbortSignal): Promise<Rollout | null>;
  /** The message of a document already read. */
  show(document: StoredDocument, signal: AbortSignal): Promise<Rollout>;
}

export function createRolloutReader(options: {
  store: Store;
  openRollout: (rolloutNumber: number) => OpenRollout | undefined;
  waitsOf: (rollout: OpenRollout) => Waits;
  stops: Pick<StopLedger, "read">;
}): RolloutReader {
  const { store, stops } = options;
  const show = async (document: StoredDocument, signal: AbortSignal): Promise<Rollout> => {
    const record = readRollout(document);
    const { revision, key } = document;
    const wasStopped = record.progress.stopEpoch > 0;
    const reach = wasStopped ? await stops.read(record.number, key, signal) : null;
    const open = options.openRollout(record.number);
    if (open !== undefined && isOpen(record.progress.state)) {
      const waits = options.waitsOf(open);
      return rolloutMessage({ record, revision, plan: open.plan, reach, ...countsOf(open), waits });
    }
    const stored = await store.getDocument("plan", key, { signal });
    const plan = stored === null ? null : readPlan(stored);
    if (plan === null) {
      return rolloutMessage({ record, revision, plan, reach, counts: [], tally: null });
    }
    const counted = knownCounts(record, plan) ?? (await countStored(store, record, plan, signal));
    return rolloutMessage({ record, revision, plan, reach, ...counted });
  };
  return {
    show,
    read: async (key, signal) => {
      const document = await store.getDocument("rollout", key, { signal });
      return document === null ? null : show(document, signal);
    },
  };
}

/** Without a look at its attempts. */
function knownCounts(record: RolloutRecord, plan: PlanRecord): Counted | null {
  if (isUnstarted(record.progress.state)) return countsBeforeStart(plan);
  const kept = record.pruned ?? record.finalCounts;
  return kept === null ? null : countsKept(kept, plan);
}

function countsOf(open: OpenRollout): Counted {
  return { counts: open.counts, tally: open.sight.tally };
}
