// SPDX-License-Identifier: Apache-2.0
/**
 * Forgets records that have served: answers kept for idempotency keys after their day, enrolment
 * tokens a week after they expired. Takes no input, is idempotent, looks once an hour, a bounded
 * number at a time, so that a Store never grows by what nobody can use any more.
 */
import { z } from "zod";
import { toMusterError } from "../../domain/errors.ts";
import { delay, type Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { DocumentKind, DocumentWrite, Store } from "../../ports/store.ts";

const PERIOD_MS = 3_600_000;
/** Records looked at in one go: one page of the Store. */
const PAGE = 1_000;

/** How long a kind outlives its `expiresAtMs`. */
const KEPT_AFTER_EXPIRY_MS: readonly (readonly [DocumentKind, number])[] = [
  ["idempotency", 0],
  // An operator may still ask why a device was refused.
  ["enrolment-token", 7 * 86_400_000],
];

const expiring = z.object({ expiresAtMs: z.number() });

/** Runs until the signal aborts; resolves then. */
export async function runRecordPruner(options: {
  store: Store;
  clock: Clock;
  logger: Logger;
  signal: AbortSignal;
}): Promise<void> {
  const { clock, logger, signal } = options;
  while (!signal.aborted) {
    try {
      const recordCount = await pruneRecords(options);
      if (recordCount > 0) logger.info("forgot expired records", { recordCount });
    } catch (cause) {
      if (signal.aborted) return;
      const error = toMusterError(cause, "forgetting expired records");
      logger.error("expired records could not be forgotten", { error });
    }
    await delay(clock, PERIOD_MS, signal).catch(() => undefined); // ended: the loop ends
  }
}

/** One pass over every kind; returns how many records were forgotten. */
export async function pruneRecords(options: {
  store: Store;
  clock: Clock;
  signal: AbortSignal;
}): Promise<number> {
  let recordCount = 0;
  for (const [kind, keptMs] of KEPT_AFTER_EXPIRY_MS) {
    recordCount += await pruneKind(options, kind, keptMs);
  }
  return recordCount;
}

async function pruneKind(
  options: { store: Store; clock: Clock; signal: AbortSignal },
  kind: DocumentKind,
  keptMs: number,
): Promise<number> {
  const { store, clock, signal } = options;
  let recordCount = 0;
  for (let after: string | undefined; ;) {
    const page = await store.listDocuments(kind, {
      prefix: "",
      ...(after === undefined ? {} : { after }),
      limit: PAGE,
      signal,
    });
    const documents = page
      .filter(({ value }) => expiring.parse(value).expiresAtMs + keptMs < clock.wallMs())
      .map(({ key, revision }): DocumentWrite => {
        return { kind, key, expectedRevision: revision, value: null };
      });
    // A conflict: it was used again meanwhile; the next pass looks at it anew.
    if (documents.length > 0 && (await store.commit({ documents }, { signal })).ok) {
      recordCount += documents.length;
    }
    after = page.at(-1)?.key;
    if (page.length < PAGE) return recordCount;
  }
}
