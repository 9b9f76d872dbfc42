// SPDX-License-Identifier: Apache-2.0
/**
 * What a run is compared with, measured beside it: bare SQLite that updates one row a report, in
 * perfect key order and as durable as our Store; and the Store by itself, that merges the same
 * reports, in random order among those in flight, into pages and swaps them.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { CELLS_PER_PAGE, createAttemptPage } from "../../../domain/attempt-page.ts";
import { encodeAttemptPage, type AttemptPage } from "../../../domain/attempt-page.ts";
import { stepAttempt, type ReportedPhase } from "../../../domain/attempt-step.ts";
import { openSqliteStore } from "../../../engines/sqlite/worker-store.ts";
import type { CommitResult, PageWrite } from "../../../ports/store.ts";
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
 * does. What comes while a commit is made durable is merged meanwhile: a commit takes copies of its
 * pages, one commit at a time. `batchReports`: what the center of this run took in a cycle.
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
  const plan = new LeasedPlan(deviceCount);
  const order = randomReports(deviceCount, random);
  const pace = startPace();
  let committing: Promise<CommitResult> | null = null;
  for (let first = 0; first < order.length; first += batchReports) {
    plan.merge(order.subarray(first, first + batchReports));
    // Its effect is known before the next commit names versions.
    if (committing !== null) assert((await committing).ok, "nobody else writes these pages");
    committing = store.commit({ pages: plan.takeWrites() }, { signal });
  }
  assert((await committing)?.ok === true, "nobody else writes these pages");
  return pace(deviceCount * REPORTS_PER_DEVICE);
}

/** A plan of which every attempt was leased; what reports changed of it is to be written. */
class LeasedPlan {
  private readonly pages: readonly AttemptPage[];
  private readonly versions: Uint32Array;
  private readonly dirty = new Set<AttemptPage>();
  private readonly context = { nowTicks: 1, stopping: false, isPlanted: () => false };
  /** One for all, as the center's cursor is: a million of them would be garbage. */
  private readonly report = {
    kind: "reported" as const,
    position: 0,
    generation: 1,
    sequence: 0,
    phase: "accepted" as ReportedPhase,
    reason: "",
  };

  constructor(deviceCount: number) {
    this.pages = Array.from({ length: Math.ceil(deviceCount / CELLS_PER_PAGE) }, (_, number) =>
      createAttemptPage(number, Math.min(CELLS_PER_PAGE, deviceCount - number * CELLS_PER_PAGE)),
    );
    this.versions = new Uint32Array(this.pages.length);
    for (let position = 0; position < deviceCount; position++) {
      const page = this.pages[Math.floor(position / CELLS_PER_PAGE)];
      assert(page !== undefined);
      stepAttempt(page, { kind: "leased", position, generation: 1, previous: 0 }, this.context);
    }
  }

  /** Each: position × 3 + which one of its device. */
  merge(reports: Uint32Array): void {
    const { pages, dirty, context, report } = this;
    for (const number of reports) {
      report.position = Math.floor(number / REPORTS_PER_DEVICE);
      report.sequence = (number % REPORTS_PER_DEVICE) + 1;
      report.phase = PHASES[report.sequence - 1] ?? "accepted";
      const page = pages[Math.floor(report.position / CELLS_PER_PAGE)];
      assert(page !== undefined);
      stepAttempt(page, report, context);
      dirty.add(page);
    }
  }

  takeWrites(): PageWrite[] {
    const writes = Array.from(this.dirty, (page): PageWrite => {
      const { number } = page;
      const expectedVersion = this.versions[number] ?? 0;
      this.versions[number] = expectedVersion + 1;
      const bytes = encodeAttemptPage(page);
      return { kind: "attempt", owner: "1", number, expectedVersion, bytes };
    });
    this.dirty.clear();
    return writes;
  }
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
