// SPDX-License-Identifier: Apache-2.0
/**
 * Deletes the attempts of rollouts that ended long ago: their pages of attempts and devices, what
 * failing devices said and what commands printed. The rollout, its plan, its final counts and the
 * audit log stay. Of each tenant the rollouts that ended last are never touched, however old they
 * are, of none that may still act on its devices (a parent ends with its rollback), and of none
 * that one goes after which has not ended. What each device runs and ran is not in these pages.
 *
 * Invariants: the counts are stored by the very commit that deletes the first page; every commit
 * swaps the rollout's document too, so a command that took it up meanwhile and a deletion never
 * both win. It takes no input, is idempotent, and goes on where a crash or a conflict ended it.
 * Limits: each hour {@link MAX_ROLLOUTS} rollouts, {@link MAX_DELETIONS} deletions a commit.
 */
import { toMusterError } from "../../domain/errors.ts";
import { isEnded } from "../../domain/rollout.ts";
import { delay, type Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { Commit, DocumentWrite, PageId, PageWrite, Store } from "../../ports/store.ts";
import { allRollouts } from "../rollouts/loop-state.ts";
import { pageIds } from "../rollouts/plan-loader.ts";
import { keepCounts } from "../rollouts/kept-counts.ts";
import {
  readPlan,
  readRollout,
  rolloutKey,
  toJson,
  type PlanRecord,
  type RolloutRecord,
} from "../rollouts/rollout-record.ts";
import { slicePageIds } from "../rollouts/slice-pages.ts";
import { countStored } from "../rollouts/stored-counts.ts";

const PERIOD_MS = 3_600_000;
const MAX_ROLLOUTS = 20;
const MAX_DELETIONS = 1_000;
/** Pages read at once to learn their versions: some megabytes. */
const PAGES_A_READ = 50;
/** What failing devices said, and what commands printed. */
const DETAIL_KINDS = ["attempt-detail", "attempt-output"] as const;

export interface RetentionPolicy {
  /** Attempts are kept for so long after the end. */
  readonly keepAttemptsMs: number;
  /** Of each tenant, so many rollouts that ended last keep theirs in any case. */
  readonly keepRollouts: number;
}

export const DEFAULT_RETENTION: RetentionPolicy = {
  keepAttemptsMs: 90 * 86_400_000,
  keepRollouts: 20,
};

interface PrunerOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly policy: RetentionPolicy;
  readonly signal: AbortSignal;
}

export interface Held {
  readonly record: RolloutRecord;
  readonly revision: number;
}

/** Runs until the signal aborts; resolves then. */
export async function runAttemptPruner(options: PrunerOptions & { logger: Logger }): Promise<void> {
  const { clock, logger, signal } = options;
  while (!signal.aborted) {
    try {
      const names = await pruneAttempts(options);
      if (names.length > 0) logger.info("deleted attempts of old rollouts", { rollouts: names });
    } catch (cause) {
      if (signal.aborted) return;
      const error = toMusterError(cause, "deleting attempts of old rollouts");
      logger.error("attempts of old rollouts could not be deleted", { error });
    }
    await delay(clock, PERIOD_MS, signal).catch(() => undefined); // ended: the loop ends
  }
}

/** One pass; answers the keys of the rollouts whose attempts are all gone now. */
export async function pruneAttempts(options: PrunerOptions): Promise<string[]> {
  const due = await findDue(options);
  const done: string[] = [];
  for (const held of due.slice(0, MAX_ROLLOUTS)) {
    if (await pruneRollout(options, held)) done.push(keyOf(held.record));
  }
  return done;
}

function keyOf({ tenant, name }: RolloutRecord): string {
  return rolloutKey(tenant, name);
}

/** Those whose attempts will be deleted, now or when they are old enough; newest end first. */
export async function findPrunable(options: {
  readonly store: Store;
  readonly policy: RetentionPolicy;
  readonly signal: AbortSignal;
}): Promise<Held[]> {
  const { store, policy, signal } = options;
  const ended: Held[] = [];
  const awaited = new Set<string>();
  for await (const document of allRollouts(store, signal)) {
    const record = readRollout(document);
    if (isEnded(record.progress.state)) ended.push({ record, revision: document.revision });
    else for (const name of record.spec.after) awaited.add(rolloutKey(record.tenant, name));
  }
  ended.sort((a, b) => b.record.endedAtMs - a.record.endedAtMs);
  const seen = new Map<string, number>();
  return ended.filter(({ record }) => {
    const newer = seen.get(record.tenant) ?? 0;
    seen.set(record.tenant, newer + 1);
    const isKept = newer < policy.keepRollouts || awaited.has(keyOf(record));
    return !isKept && record.pruned?.isWhole !== true;
  });
}

/** The one that ended first comes first. */
async function findDue(options: PrunerOptions): Promise<Held[]> {
  const nowMs = options.clock.wallMs();
  const prunable = await findPrunable(options);
  return prunable
    .filter(({ record }) => record.endedAtMs + options.policy.keepAttemptsMs <= nowMs)
    .reverse();
}

/** False after a conflict: somebody used it meanwhile; the next pass looks at it anew. */
async function pruneRollout(options: PrunerOptions, held: Held): Promise<boolean> {
  const { store, clock, signal } = options;
  const key = keyOf(held.record);
  const stored = await store.getDocument("plan", key, { signal });
  if (stored === null) return false;
  const plan = readPlan(stored);
  let { record, revision } = held;
  for (;;) {
    const isFirst = record.pruned === null;
    const kept = record.pruned ?? {
      ...(record.finalCounts ?? keepCounts(await countStored(store, record, plan, signal))),
      atMs: clock.wallMs(),
    };
    const { pages, details } = await findDeletions(store, record, plan, signal);
    const isWhole = pages.length + details.length < MAX_DELETIONS;
    record = { ...record, pruned: { ...kept, isWhole }, finalCounts: null };
    const value = toJson(record);
    const commit: Commit = {
      documents: [{ kind: "rollout", key, expectedRevision: revision, value }, ...details],
      pages,
      audit: isFirst ? [auditOf(record, options.policy)] : [],
    };
    if (!(await store.commit(commit, { signal })).ok) return false;
    revision++;
    if (isWhole) return true;
  }
}

/** At most {@link MAX_DELETIONS}; fewer: these are the last. */
async function findDeletions(
  store: Store,
  record: RolloutRecord,
  plan: PlanRecord,
  signal: AbortSignal,
): Promise<{ pages: PageWrite[]; details: DocumentWrite[] }> {
  const ids: PageId[] = [
    ...pageIds("attempt", record, plan),
    ...pageIds("plan", record, plan),
    ...slicePageIds(record.number, plan),
  ];
  const pages: PageWrite[] = [];
  for (let at = 0; at < ids.length && pages.length < MAX_DELETIONS; at += PAGES_A_READ) {
    const loaded = await store.loadPages(ids.slice(at, at + PAGES_A_READ), { signal });
    for (const { kind, owner, number, version } of loaded) {
      if (pages.length === MAX_DELETIONS) break;
      pages.push({ kind, owner, number, expectedVersion: version, bytes: null });
    }
  }
  const details: DocumentWrite[] = [];
  for (const kind of DETAIL_KINDS) {
    const limit = MAX_DELETIONS - pages.length - details.length;
    if (limit === 0) break;
    const options = { prefix: `${record.number}/`, limit, signal };
    const stored = await store.listDocuments(kind, options);
    details.push(
      ...stored.map(({ key, revision }) => ({
        kind,
        key,
        expectedRevision: revision,
        value: null,
      })),
    );
  }
  return { pages, details };
}

function auditOf(record: RolloutRecord, policy: RetentionPolicy): NonNullable<Commit["audit"]>[0] {
  return {
    tenant: record.tenant,
    actor: "system:retention",
    action: "rollout.prune",
    subject: `rollout/${keyOf(record)}`,
    reason: "its attempts are older than they are kept",
    detail: { endedAtMs: record.endedAtMs, ...policy },
  };
}
