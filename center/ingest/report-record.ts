// SPDX-License-Identifier: Apache-2.0
/**
 * Reports in the EventLog: one record holds the reports of one partition of one gateway batch, in
 * the columns of GatewayLink. Reports of one page of one rollout always go to the same partition,
 * so their order holds per attempt.
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { CELLS_PER_PAGE } from "../../domain/attempt-page.ts";
import type { ReportedPhase } from "../../domain/attempt-step.ts";
import { reportPhaseOf } from "../../protocol/device/report.ts";
import {
  ReportBatchSchema,
  ReportDetailSchema,
  type ReportBatch,
} from "../../protocol/gen/muster/v1/gateway_pb.ts";

/** One report, as ingest applies it. */
export interface FiledReport {
  readonly ordinal: number;
  readonly rollout: number;
  readonly position: number;
  readonly generation: number;
  readonly sequence: number;
  readonly phase: ReportedPhase;
  readonly reason: string;
  readonly text: string;
}

/** Most reports in one batch of a gateway. */
export const MAX_BATCH_REPORTS = 1_000;

/** True when every column has one value a report. */
export function isWellFormed(batch: ReportBatch): boolean {
  const count = batch.ordinals.length;
  return (
    count > 0 &&
    count <= MAX_BATCH_REPORTS &&
    [
      batch.rollouts,
      batch.positions,
      batch.generations,
      batch.sequences,
      batch.phases,
      batch.deviceTimesMs,
    ].every((column) => column.length === count) &&
    batch.details.every((detail) => detail.index < count)
  );
}

/** Cuts a gateway's batch into one record a partition. */
export function recordsOf(
  batch: ReportBatch,
  partitionCount: number,
): { partition: number; bytes: Uint8Array }[] {
  const parts = new Map<number, ReportBatch>();
  const details = new Map(batch.details.map((detail) => [detail.index, detail]));
  batch.ordinals.forEach((ordinal, index) => {
    const rollout = batch.rollouts[index] ?? 0;
    const position = batch.positions[index] ?? 0;
    const page = Math.floor(position / CELLS_PER_PAGE);
    const partition = (rollout * 31 + page) % partitionCount;
    let part = parts.get(partition);
    if (part === undefined) {
      part = create(ReportBatchSchema, { batchSequence: batch.batchSequence });
      parts.set(partition, part);
    }
    const detail = details.get(index);
    if (detail !== undefined) {
      part.details.push(create(ReportDetailSchema, { ...detail, index: part.ordinals.length }));
    }
    part.ordinals.push(ordinal);
    part.rollouts.push(rollout);
    part.positions.push(position);
    part.generations.push(batch.generations[index] ?? 0);
    part.sequences.push(batch.sequences[index] ?? 0);
    part.phases.push(batch.phases[index] ?? 0);
    part.deviceTimesMs.push(batch.deviceTimesMs[index] ?? 0n);
  });
  return [...parts].map(([partition, part]) => ({
    partition,
    bytes: toBinary(ReportBatchSchema, part),
  }));
}

/** Reads a record back. Reports with a phase that this version does not know are left out. */
export function readRecord(bytes: Uint8Array): FiledReport[] {
  const batch = fromBinary(ReportBatchSchema, bytes);
  const details = new Map(batch.details.map((detail) => [detail.index, detail]));
  const reports: FiledReport[] = [];
  batch.ordinals.forEach((ordinal, index) => {
    const phase = reportPhaseOf(batch.phases[index] ?? 0);
    if (phase === null) return;
    const detail = details.get(index);
    reports.push({
      ordinal,
      rollout: batch.rollouts[index] ?? 0,
      position: batch.positions[index] ?? 0,
      generation: batch.generations[index] ?? 0,
      sequence: batch.sequences[index] ?? 0,
      phase,
      reason: detail?.reason ?? "",
      text: detail?.text ?? "",
    });
  });
  return reports;
}
