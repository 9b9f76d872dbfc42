// SPDX-License-Identifier: Apache-2.0
/** The store of production: SQLite in a worker thread, so that no scan or sync stops the center. */
import type { Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { SqliteFileFacts } from "../../runtime/sqlite-file.ts";
import { siblingModule, startWorker } from "../../runtime/worker-call.ts";
import type { Started } from "../../runtime/worker-call.ts";
import { RowStore } from "../../runtime/row-store.ts";
import type { StoreCalls } from "../../runtime/store-calls.ts";
import type { StoreCoreOptions } from "./store-core.ts";

/**
 * A center has some tens of loops and API requests at work at once; a thousand calls waiting is
 * several seconds of a slow disk, and who comes then is better told so than kept waiting.
 */
const MAX_PENDING_CALLS = 1_024;

/** What a commit or a list brings is garbage after it: more room only delays its collection. */
const MAX_YOUNG_MEBIBYTES = 8;

export interface SqliteStoreOptions extends StoreCoreOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The thread died of a bug. Default: the error is uncaught and ends the process. */
  readonly onCrash?: (error: Error) => void;
  /** Gives up opening. */
  readonly signal: AbortSignal;
}

/**
 * Opens the store at `path`, or makes it. Throws `corrupt` (restore a backup),
 * `failed_precondition` (in use by another process, newer schema, another program's file, no
 * right to write) or `no_space`.
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<RowStore> {
  const { calls } = await startStoreThread(options);
  return new RowStore({ calls, clock: options.clock });
}

/** The thread without the port around it, for tests that end it in the midst of its work. */
export async function startStoreThread(
  options: SqliteStoreOptions,
): Promise<Started<StoreCalls, SqliteFileFacts>> {
  const { path, maxFileBytes, onCrash, signal, logger } = options;
  const data: StoreCoreOptions = { path, ...(maxFileBytes === undefined ? {} : { maxFileBytes }) };
  const started = await startWorker<StoreCalls, SqliteFileFacts>({
    name: "store",
    module: siblingModule("store-worker", import.meta.url),
    data,
    maxPendingCalls: MAX_PENDING_CALLS,
    maxYoungMebibytes: MAX_YOUNG_MEBIBYTES,
    signal,
    ...(onCrash === undefined ? {} : { onCrash }),
  });
  const { recovered, migratedFrom, migratedTo } = started.facts;
  if (recovered) logger.info("The store was not closed properly; it was checked and is whole.");
  if (migratedFrom > 0 && migratedFrom < migratedTo) {
    logger.info("The store was brought to a newer schema.", { migratedFrom, migratedTo });
  }
  return started;
}
