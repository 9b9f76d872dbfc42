// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { DeviceStateBatchSchema, ReportBatchSchema } from "../gen/muster/v1/gateway_pb.ts";
import { packReports, readReportColumns, REPORT_BYTES } from "./report-columns.ts";
import { packStates, readStateColumns } from "./state-columns.ts";

/** At an odd address, as a field of a message may lie. */
function moved(bytes: Uint8Array): Uint8Array {
  const shifted = new Uint8Array(bytes.length + 1);
  shifted.set(bytes, 1);
  return shifted.subarray(1);
}

describe("packed columns", () => {
  test("of reports hold the largest values of each, wherever their bytes lie", () => {
    const batch = create(ReportBatchSchema, {
      ordinals: [1, 0xffff_ffff, 3],
      rollouts: [7, 0xffff_ffff, 7],
      positions: [0, 0xffff_ffff, 2],
      generations: [1, 0x7fff_ffff, 3],
      sequences: [1, 0xffff, 3],
      phases: [1, 10, 255],
      deviceTimesMs: [0n, 0n, 0n],
    });
    const { bytes } = packReports(batch);
    assert.equal(bytes.length, 3 * REPORT_BYTES);
    const read = readReportColumns(moved(bytes));
    assert(read !== null);
    assert.equal(read.count, 3);
    for (const name of ["ordinals", "rollouts", "positions", "generations", "sequences"] as const) {
      assert.deepEqual([...read[name]], batch[name]);
    }
    assert.deepEqual([...read.phases], batch.phases);
    assert.equal(readReportColumns(bytes.subarray(1)), null);
  });

  test("of states name each digest once, and slots by their number", () => {
    const digest = "a".repeat(64);
    const batch = create(DeviceStateBatchSchema, {
      ordinals: [1, 0xffff_ffff, 3],
      slots: ["os", "command", "hat"],
      digests: [digest, "", digest],
      generations: [0, 0x7fff_ffff, 1],
      healthy: [true, false, true],
    });
    const { columns, digests } = packStates(batch);
    assert.deepEqual(digests, [digest, ""]);
    const read = readStateColumns(moved(columns.bytes));
    assert(read !== null);
    assert.deepEqual([...read.ordinals], batch.ordinals);
    assert.deepEqual([...read.generations], batch.generations);
    assert.deepEqual([...read.digestIndexes], [0, 1, 0]);
    assert.deepEqual([...read.slots], [0, 3, 255]);
    assert.deepEqual([...read.healthy], [1, 0, 1]);
    assert.equal(readStateColumns(columns.bytes.subarray(1)), null);
  });
});
