// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { REPORT_PHASES } from "../../protocol/device/report.ts";
import {
  ReportBatchSchema,
  ReportDetailSchema,
  type ReportBatch,
} from "../../protocol/gen/muster/v1/gateway_pb.ts";
import { packReports } from "../../protocol/link/report-columns.ts";
import {
  MAX_BATCH_REPORTS,
  readRecord,
  ReportSet,
  unpackedReports,
  type FiledReport,
} from "./report-record.ts";

interface Given {
  readonly rollout: number;
  readonly position: number;
  readonly reason: string;
}

function batchOf(reports: readonly Given[]): ReportBatch {
  const batch = create(ReportBatchSchema, { batchSequence: 7n });
  reports.forEach(({ rollout, position, reason }, index) => {
    batch.ordinals.push(index + 1);
    batch.rollouts.push(rollout);
    batch.positions.push(position);
    batch.generations.push(index + 10);
    batch.sequences.push(index + 20);
    batch.phases.push(REPORT_PHASES.failed);
    batch.deviceTimesMs.push(0n);
    if (reason === "") return;
    batch.details.push(create(ReportDetailSchema, { index, reason, text: `text ${index}` }));
  });
  return batch;
}

function recordsOf(
  batch: ReportBatch,
  partitionCount: number,
): { partition: number; bytes: Uint8Array }[] {
  return new ReportSet(packReports(batch), batch.details).records(partitionCount);
}

function reportsIn(bytes: Uint8Array): FiledReport[] {
  const set = readRecord(bytes);
  return Array.from({ length: set.count }, (_, index) => set.at(index)).filter(
    (read) => read !== null,
  );
}

const report = fc.record({
  rollout: fc.integer({ min: 1, max: 5 }),
  position: fc.nat({ max: 20_000 }),
  reason: fc.constantFrom("", "no-space", "step-failed"),
});

describe("a batch of reports", () => {
  test("is cut into records without losing, changing or doubling one", () => {
    const given = fc.array(report, { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(given, fc.integer({ min: 1, max: 16 }), (reports, partitionCount) => {
        const records = recordsOf(batchOf(reports), partitionCount);
        const partitions = records.map(({ partition }) => partition);
        assert.equal(new Set(partitions).size, partitions.length, "one record a partition");
        const read = records.flatMap(({ bytes }) => reportsIn(bytes));
        const expected = reports.map(({ rollout, position, reason }, index) => ({
          kind: "reported" as const,
          ordinal: index + 1,
          rollout,
          position,
          generation: index + 10,
          sequence: index + 20,
          phase: "failed",
          reason,
          text: reason === "" ? "" : `text ${index}`,
          exitCode: null,
          outputBytes: 0,
        }));
        assert.deepEqual(
          read.sort((a, b) => a.ordinal - b.ordinal),
          expected,
        );
      }),
      { numRuns: 300 },
    );
  });

  test("keeps the reports of one page of one rollout together, and in order", () => {
    const given = fc.array(report, { minLength: 2, maxLength: 60 });
    fc.assert(
      fc.property(given, (reports) => {
        const home = new Map<string, number>();
        for (const { partition, bytes } of recordsOf(batchOf(reports), 8)) {
          const read = reportsIn(bytes);
          const ordinals = read.map(({ ordinal }) => ordinal);
          assert.deepEqual(
            ordinals,
            ordinals.toSorted((a, b) => a - b),
          );
          for (const { rollout, position } of read) {
            const page = `${rollout}/${Math.floor(position / 4_096)}`;
            assert.equal(home.get(page) ?? partition, partition);
            home.set(page, partition);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  test("of a newer version keeps what this one understands", () => {
    const batch = batchOf([
      { rollout: 1, position: 0, reason: "" },
      { rollout: 1, position: 1, reason: "no-space" },
    ]);
    batch.phases[0] = 200;
    const [record] = recordsOf(batch, 1);
    assert(record !== undefined);
    const read = reportsIn(record.bytes).map(({ position, reason }) => [position, reason]);
    assert.deepEqual(read, [[1, "no-space"]]);
  });

  test("that an earlier version recorded is read as it was", () => {
    const batch = batchOf([
      { rollout: 1, position: 5, reason: "" },
      { rollout: 2, position: 9_000, reason: "busy" },
    ]);
    const read = reportsIn(toBinary(ReportBatchSchema, batch));
    assert.deepEqual(
      read.map(({ ordinal, rollout, position, generation, sequence, phase, reason }) => {
        return [ordinal, rollout, position, generation, sequence, phase, reason];
      }),
      [
        [1, 1, 5, 10, 20, "failed", ""],
        [2, 2, 9_000, 11, 21, "failed", "busy"],
      ],
    );
  });

  test("is well formed when every column has a value for each of 1 to 1,000 reports", () => {
    const good = batchOf([{ rollout: 1, position: 0, reason: "no-space" }]);
    assert(unpackedReports(good) !== null);
    assert.equal(unpackedReports(create(ReportBatchSchema, {})), null);
    const columns = [
      "ordinals",
      "rollouts",
      "positions",
      "generations",
      "sequences",
      "phases",
      "deviceTimesMs",
    ] as const;
    for (const column of columns) {
      assert.equal(unpackedReports({ ...good, [column]: [] }), null, `without ${column}`);
    }
    const detail = create(ReportDetailSchema, { index: 1, reason: "busy" });
    assert.equal(unpackedReports({ ...good, details: [detail] }), null, "a detail of no report");
    const one = { rollout: 1, position: 0, reason: "" };
    const full = Array.from({ length: MAX_BATCH_REPORTS }, () => one);
    assert(unpackedReports(batchOf(full)) !== null);
    assert.equal(unpackedReports(batchOf([...full, one])), null);
  });
});
