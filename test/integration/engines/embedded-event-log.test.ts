// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { readFile, stat, writeFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { openDirectEventLog, openEmbeddedEventLog } from "../../../engines/embedded/event-log.ts";
import { eventLogContract } from "../../../ports/contract/event-log.ts";
import { rejectsWith } from "../../../ports/contract/helpers.ts";
import { SILENT_LOGGER } from "../../../ports/logger.ts";
import { tempDir } from "../../helpers/temp-dir.ts";
import { copyDatabase } from "./copy-database.ts";
import { openDirectLog, openThreadLog } from "./event-log-under-test.ts";

const { signal } = new AbortController();

eventLogContract({ name: "embedded, on the caller's thread", open: openDirectLog });
eventLogContract({ name: "embedded, in a worker thread", open: openThreadLog });

describe("embedded event log", () => {
  test("it has 4 partitions unless told otherwise, and keeps the number", async () => {
    await using folder = await tempDir("events");
    const options = { logger: SILENT_LOGGER, signal };
    const path = folder.join("events.db");
    for (const wanted of [{}, { partitionCount: 4 }, {}]) {
      await using log = await openEmbeddedEventLog({ ...options, ...wanted, path });
      assert.equal(log.partitionCount, 4);
    }
    await rejectsWith(
      openEmbeddedEventLog({ ...options, path, partitionCount: 32 }),
      "failed_precondition",
    );
    await using small = openDirectEventLog({ path: folder.join("s.db"), partitionCount: 1 });
    assert.equal(small.partitionCount, 1);
  });

  test("a write torn at any byte leaves the appends before it, whole and in order", async () => {
    await using folder = await tempDir("events");
    const path = folder.join("events.db");
    await using log = openDirectEventLog({ path });
    const walBytes: number[] = [];
    for (let number = 0; number < 8; number += 1) {
      const bytes = new Uint8Array(3_000).fill(number);
      const records = [0, 1].map((partition) => ({ partition, bytes }));
      await log.append(records, { signal });
      walBytes.push((await stat(`${path}-wal`)).size);
    }
    const wal = await readFile(`${path}-wal`);
    let cutCount = 0;
    for (let cut = walBytes[0]!; cut < wal.byteLength; cut += 1_777) {
      const copy = folder.join(`cut-${cut}`, "events.db");
      await copyDatabase(path, copy);
      // What follows the cut is noise, as sectors that were never written are.
      await writeFile(
        `${copy}-wal`,
        Buffer.concat([wal.subarray(0, cut), Buffer.alloc(999, 0xaa)]),
      );
      await using torn = openDirectEventLog({ path: copy });
      const whole = walBytes.filter((bytes) => bytes <= cut).length;
      for (const partition of [0, 1]) {
        const records = await torn.read(partition, { afterOffset: 0, limit: 100, signal });
        const expected = Array.from({ length: whole }, (_, index) => [index + 1, index]);
        assert.deepEqual(
          records.map((record) => [record.offset, record.bytes[0]]),
          expected,
        );
      }
      cutCount += 1;
    }
    assert(cutCount > 20);
  });

  test("a full disk is no_space, changes nothing, and space makes it go on", async () => {
    await using folder = await tempDir("events");
    const path = folder.join("events.db");
    const bytes = new Uint8Array(50_000);
    const lengths: number[] = [];
    {
      await using log = openDirectEventLog({ path, maxFileBytes: 400_000 });
      const fill = async (): Promise<void> => {
        for (;;) await log.append([{ partition: 0, bytes }], { signal });
      };
      await rejectsWith(fill(), "no_space");
      lengths.push((await log.read(0, { afterOffset: 0, limit: 1_000, signal })).length);
      await log.append([{ partition: 1, bytes: bytes.subarray(0, 10) }], { signal });
    }
    await using log = openDirectEventLog({ path });
    lengths.push((await log.read(0, { afterOffset: 0, limit: 1_000, signal })).length);
    assert.equal(lengths[0], lengths[1]);
    await log.append([{ partition: 0, bytes }], { signal });
    const last = (await log.read(0, { afterOffset: 0, limit: 1_000, signal })).at(-1);
    assert.equal(last?.offset, (lengths[0] ?? 0) + 1);
  });
});
