// SPDX-License-Identifier: Apache-2.0
/**
 * What a run is compared with, measured beside it: bare SQLite that updates one row a report, in
 * perfect key order and as durable as our Store; and the Store by itself, that merges the same
 * reports, in random order among those in flight, into pages and swaps them.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import {
  attemptPageBytes,
  CELLS_PER_PAGE,
  createAttemptPage,
} from "../../../domain/attempt-page.ts";
import { stepAttempt, type ReportedPhase } from "../../../domain/attempt-step.ts";
import { openSqliteStore } from "../../../engines/sqlite/worker-store.ts";
import { SILENT_LOGGER } from "../../../ports/logger.ts";
import { systemClock } from "../../../runtime/system-clock.ts";
import { MAX_IN_FLIGHT } from "./bench-options.ts";

const ROWS_A_TRANSACTION = 10_000;
const REPORTS_PER_DEVICE = 3;
const PHASES: readonly ReportedPhase[] = ["accepted", "downloaded", "installed"];

/** Reports a second, and a second of processor time, which a busy machine does not stretch. */
export interface Pace {
  readonly perSecond: number;
  readonly perCpuSecond: number;
}

/**
 * Pace of bare SQLite: an attempt is a row with what a cell of a page has; a report
 * updates its row where generation and sequence fit, keys ascending, 10,000 a transaction.
 */
export function measureRows(folder: string, deviceCount: number): Pace {
  const database = new DatabaseSync(join(folder, "floor.db"));
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536");
  database.exec(`CREATE TABLE attempt (
    rollout INTEGER, position INTEGER, generation INTEGER, entered_at INTEGER,
    soaking_since INTEGER, accepted_at INTEGER, previous INTEGER, sequence INTEGER, state INTEGER,
    flags INTEGER, reason INTEGER, tries INTEGER, PRIMARY KEY (rollout, position)
  ) STRICT, WITHOUT ROWID`);
  const insert = database.prepare(
    "INSERT INTO attempt VALUES (1, ?, 1, 0, 0, 0, 65535, 0, 1, 8, 0, 1)",
  );
  inTransactions(database, deviceCount, (position) => insert.run(position));
  const update = database.prepare(
    `UPDATE attempt SET sequence = ?1, state = ?2, entered_at = ?3, accepted_at = ?3, flags = 9
     WHERE rollout = 1 AND position = ?4 AND generation = 1 AND sequence < ?1`,
  );
  const pace = startPace();
  for (let sequence = 1; sequence <= REPORTS_PER_DEVICE; sequence++) {
    inTransactions(database, deviceCount, (position) =>
      update.run(sequence, sequence + 1, sequence * 100, position),
    );
  }
  const result = pace(deviceCount * REPORTS_PER_DEVICE);
  database.close();
  return result;
}

/** Call the answer when so many reports are done. */
function startPace(): (reportCount: number) => Pace {
  const startedAtMs = performance.now();
  const before = process.cpuUsage();
  return (reportCount) => {
    const { user, system } = process.cpuUsage(before);
    return {
      perSecond: reportCount / ((performance.now() - startedAtMs) / 1_000),
      perCpuSecond: reportCount / ((user + system) / 1e6),
    };
  };
}

function inTransactions(database: DatabaseSync, count: number, work: (n: number) => void): void {
  for (let first = 0; first < count; first += ROWS_A_TRANSACTION) {
    database.exec("BEGIN IMMEDIATE");
    for (let n = first; n < Math.min(count, first + ROWS_A_TRANSACTION); n++) work(n);
    database.exec("COMMIT");
  }
}

/**
 * Pace of the Store alone, in its thread: pages merged and swapped by version, as the rollout loop
 * does. It merges what has come while the commit before was made durable, so `batchReports` is what
 * the center of this run took in a cycle.
 */
export async function measurePages(
  folder: string,
  deviceCount: number,
  batchReports: number,
  random: () => number,
): Promise<Pace> {
  const { signal } = new AbortController();
  await using store = await openSqliteStore({
    path: join(folder, "pages.db"),
    clock: systemClock,
    logger: SILENT_LOGGER,
    signal,
  });
  const pages = Array.from({ length: Math.ceil(deviceCount / CELLS_PER_PAGE) }, (_, number) =>
    createAttemptPage(number, Math.min(CELLS_PER_PAGE, deviceCount - number * CELLS_PER_PAGE)),
  );
  const versions = new Uint32Array(pages.length);
  const context = { nowTicks: 1, stopping: false, isPlanted: () => false };
  for (let position = 0; position < deviceCount; position++) {
    const page = pages[Math.floor(position / CELLS_PER_PAGE)];
    assert(page !== undefined);
    stepAttempt(page, { kind: "leased", position, generation: 1, previous: 0 }, context);
  }
  const order = randomReports(deviceCount, random);
  const pace = startPace();
  for (let first = 0; first < order.length; first += batchReports) {
    const dirty = new Set<number>();
    for (const report of order.subarray(first, first + batchReports)) {
      const position = Math.floor(report / REPORTS_PER_DEVICE);
      const sequence = (report % REPORTS_PER_DEVICE) + 1;
      const number = Math.floor(position / CELLS_PER_PAGE);
      const page = pages[number];
      const phase = PHASES[sequence - 1];
      assert(page !== undefined && phase !== undefined);
      stepAttempt(
        page,
        { kind: "reported", position, generation: 1, sequence, phase, reason: "" },
        context,
      );
      dirty.add(number);
    }
    const result = await store.commit(
      {
        pages: Array.from(dirty, (number) => {
          const page = pages[number];
          assert(page !== undefined);
          const expectedVersion = versions[number] ?? 0;
          versions[number] = expectedVersion + 1;
          const bytes = attemptPageBytes(page);
          return { kind: "attempt" as const, owner: "1", number, expectedVersion, bytes };
        }),
      },
      { signal },
    );
    assert(result.ok, "nobody else writes these pages");
  }
  return pace(deviceCount * REPORTS_PER_DEVICE);
}

/** position × 3 + report, each device's own in order, a random one of those in flight next. */
function randomReports(deviceCount: number, random: () => number): Uint32Array {
  const order = new Uint32Array(deviceCount * REPORTS_PER_DEVICE);
  const inFlight = new Uint32Array(Math.min(MAX_IN_FLIGHT, deviceCount));
  const made = new Uint8Array(deviceCount);
  let started = inFlight.length;
  let count = inFlight.length;
  for (let index = 0; index < count; index++) inFlight[index] = index;
  for (let index = 0; index < order.length; index++) {
    const pick = Math.floor(random() * count);
    const position = inFlight[pick] ?? 0;
    const own = made[position] ?? 0;
    order[index] = position * REPORTS_PER_DEVICE + own;
    made[position] = own + 1;
    if (own + 1 < REPORTS_PER_DEVICE) continue;
    if (started < deviceCount) inFlight[pick] = started++;
    else inFlight[pick] = inFlight[--count] ?? 0;
  }
  return order;
}
