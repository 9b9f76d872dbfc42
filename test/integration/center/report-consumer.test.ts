// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ReportConsumer } from "../../../center/ingest/report-consumer.ts";
import { packedReports } from "../../../center/ingest/report-record.ts";
import { MusterError } from "../../../domain/errors.ts";
import { openDirectEventLog } from "../../../engines/embedded/event-log.ts";
import { openDirectSqliteStore } from "../../../engines/sqlite/direct-store.ts";
import type { EventLog } from "../../../ports/event-log.ts";
import { createReportColumns } from "../../../protocol/link/report-columns.ts";
import { VirtualClock } from "../../helpers/virtual-clock.ts";

const { signal } = new AbortController();

/** The log under another id, and away while it is told so. */
function disguised(log: EventLog, id: string): EventLog & { isAway: boolean } {
  return {
    id,
    isAway: false,
    partitionCount: log.partitionCount,
    append: (records, options) => log.append(records, options),
    read(partition, options) {
      const error = new MusterError({ code: "unavailable", message: "cannot read: it is away" });
      return this.isAway ? Promise.reject(error) : log.read(partition, options);
    },
    waitForAppend: (options) => log.waitForAppend(options),
    trim: (partition, offset, options) => log.trim(partition, offset, options),
    space: (options) => log.space(options),
    close: () => log.close(),
  };
}

async function appendOne(log: EventLog): Promise<void> {
  const reports = packedReports(createReportColumns(1).bytes, []);
  assert(reports !== null);
  await log.append(reports.records(log.partitionCount), { signal });
}

describe("the consumer of reports", () => {
  test("keeps a position for each log: another one is read from its beginning", async () => {
    await using store = openDirectSqliteStore({ path: ":memory:", clock: new VirtualClock() });
    await using first = openDirectEventLog({ path: ":memory:" });
    await using second = openDirectEventLog({ path: ":memory:" });
    const takeFrom = async (log: EventLog): Promise<number> => {
      const consumer = await ReportConsumer.open(log, store, signal);
      const sets = await consumer.take(0, signal);
      const write = consumer.pendingWrite();
      if (write !== null) await store.commit({ documents: [write] }, { signal });
      return sets.length;
    };
    await appendOne(first);
    await appendOne(second);
    assert.equal(await takeFrom(first), 1);
    assert.equal(await takeFrom(first), 0);
    assert.equal(await takeFrom(disguised(second, "other")), 1);
    assert.equal(await takeFrom(disguised(second, "other")), 0);
    assert.equal(await takeFrom(first), 0);
  });

  test("a log that is away gives nothing, and all of it when it is back", async () => {
    await using store = openDirectSqliteStore({ path: ":memory:", clock: new VirtualClock() });
    await using embedded = openDirectEventLog({ path: ":memory:" });
    const log = disguised(embedded, "other");
    const consumer = await ReportConsumer.open(log, store, signal);
    assert.deepEqual(await consumer.take(0, signal), []);
    await appendOne(log);
    log.isAway = true;
    assert.deepEqual(await consumer.take(2_000, signal), [], "it looks without having been told");
    assert.equal(consumer.failure?.code, "unavailable");
    assert.equal(consumer.pendingWrite(), null);
    log.isAway = false;
    assert.deepEqual(await consumer.take(2_500, signal), [], "it is not asked again at once");
    assert.equal((await consumer.take(3_000, signal)).length, 1);
    assert.equal(consumer.failure, null);
  });
});
