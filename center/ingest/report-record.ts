// SPDX-License-Identifier: Apache-2.0
/**
 * Reports in the EventLog: one record holds the reports of one partition of one gateway batch, in
 * packed columns. Reports of one page of one rollout always go to the same partition, so their
 * order holds per attempt.
 *
 * A record of an earlier version (an unpacked `ReportBatch`) is read too: its first byte is the tag
 * of a field below 16, a packed one's is not.
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { assert } from "../../domain/assert.ts";
import { CELLS_PER_PAGE } from "../../domain/attempt-page.ts";
import type { ReportedPhase } from "../../domain/attempt-step.ts";
import { reportPhaseOf } from "../../protocol/device/report.ts";
import {
  PackedReportBatchSchema,
  ReportBatchSchema,
  ReportDetailSchema,
  type ReportBatch,
  type ReportDetail,
} from "../../protocol/gen/muster/v1/gateway_pb.ts";
import {
  copyReport,
  createReportColumns,
  packReports,
  readReportColumns,
  type ReportColumns,
} from "../../protocol/link/report-columns.ts";

/** One report, as ingest applies it: an event of its attempt. */
export interface FiledReport {
  readonly kind: "reported";
  readonly ordinal: number;
  readonly rollout: number;
  readonly position: number;
  readonly generation: number;
  readonly sequence: number;
  readonly phase: ReportedPhase;
  readonly reason: string;
  readonly text: string;
  /** null: not a command, or one that did not end by itself. */
  readonly exitCode: number | null;
  readonly outputBytes: number;
}

/** A report that the next one is written over: of a million in a second none is left behind. */
export type ReportCursor = { -readonly [field in keyof FiledReport]: FiledReport[field] };

export function createReportCursor(): ReportCursor {
  return {
    kind: "reported",
    ordinal: 0,
    rollout: 0,
    position: 0,
    generation: 0,
    sequence: 0,
    phase: "accepted",
    reason: "",
    text: "",
    exitCode: null,
    outputBytes: 0,
  };
}

/** Most reports in one batch of a gateway. */
export const MAX_BATCH_REPORTS = 1_000;

const NO_DETAILS: ReadonlyMap<number, ReportDetail> = new Map();
const FIRST_UNPACKED_BYTE_END = 16 << 3;

/** Reports as they came together; details, which few have, by index. */
export class ReportSet {
  readonly columns: ReportColumns;
  private readonly details: ReadonlyMap<number, ReportDetail>;

  constructor(columns: ReportColumns, details: readonly ReportDetail[]) {
    this.columns = columns;
    this.details =
      details.length === 0 ? NO_DETAILS : new Map(details.map((detail) => [detail.index, detail]));
  }

  get count(): number {
    return this.columns.count;
  }

  /** Written into `into`. null: its phase is of a newer version. */
  at(index: number, into: ReportCursor = createReportCursor()): FiledReport | null {
    const { columns } = this;
    const phase = reportPhaseOf(columns.phases[index] ?? 0);
    if (phase === null) return null;
    const detail = this.details.get(index);
    into.ordinal = columns.ordinals[index] ?? 0;
    into.rollout = columns.rollouts[index] ?? 0;
    into.position = columns.positions[index] ?? 0;
    into.generation = columns.generations[index] ?? 0;
    into.sequence = columns.sequences[index] ?? 0;
    into.phase = phase;
    into.reason = detail?.reason ?? "";
    into.text = detail?.text ?? "";
    into.exitCode = detail?.exitCode ?? null;
    into.outputBytes = Number(detail?.outputBytes ?? 0);
    return into;
  }

  /** One record a partition. */
  records(partitionCount: number): { partition: number; bytes: Uint8Array }[] {
    const { columns, details } = this;
    const counts = new Uint16Array(partitionCount);
    const partitions = new Uint16Array(columns.count);
    for (let index = 0; index < columns.count; index++) {
      const page = Math.floor((columns.positions[index] ?? 0) / CELLS_PER_PAGE);
      const partition = ((columns.rollouts[index] ?? 0) * 31 + page) % partitionCount;
      partitions[index] = partition;
      counts[partition] = (counts[partition] ?? 0) + 1;
    }
    const parts = Array.from(counts, (count) => ({
      columns: createReportColumns(count),
      details: [] as ReportDetail[],
    }));
    counts.fill(0);
    for (let index = 0; index < columns.count; index++) {
      const partition = partitions[index] ?? 0;
      const part = parts[partition];
      assert(part !== undefined, "a partition is one of those there are");
      const place = counts[partition] ?? 0;
      counts[partition] = place + 1;
      copyReport(columns, index, part.columns, place);
      const detail = details.get(index);
      if (detail !== undefined) {
        part.details.push(create(ReportDetailSchema, { ...detail, index: place }));
      }
    }
    return parts.flatMap(({ columns: { count, bytes }, details: own }, partition) =>
      count === 0
        ? []
        : [
            {
              partition,
              bytes: toBinary(
                PackedReportBatchSchema,
                create(PackedReportBatchSchema, { columns: bytes, details: own }),
              ),
            },
          ],
    );
  }
}

/** A gateway's unpacked batch; null when a column has another length than the others. */
export function unpackedReports(batch: ReportBatch): ReportSet | null {
  const count = batch.ordinals.length;
  const { rollouts, positions, generations, sequences, phases, deviceTimesMs, details } = batch;
  const others = [rollouts, positions, generations, sequences, phases, deviceTimesMs];
  if (!others.every((column) => column.length === count)) return null;
  return wellFormed(packReports(batch), details);
}

/** A gateway's packed batch; null when it is not whole. */
export function packedReports(bytes: Uint8Array, details: ReportDetail[]): ReportSet | null {
  const columns = readReportColumns(bytes);
  return columns === null ? null : wellFormed(columns, details);
}

function wellFormed(columns: ReportColumns, details: readonly ReportDetail[]): ReportSet | null {
  const { count } = columns;
  if (count === 0 || count > MAX_BATCH_REPORTS) return null;
  return details.every((detail) => detail.index < count) ? new ReportSet(columns, details) : null;
}

/** Reads a record back. */
export function readRecord(bytes: Uint8Array): ReportSet {
  if ((bytes[0] ?? 0) < FIRST_UNPACKED_BYTE_END) {
    const batch = fromBinary(ReportBatchSchema, bytes);
    return new ReportSet(packReports(batch), batch.details);
  }
  const { columns, details } = fromBinary(PackedReportBatchSchema, bytes);
  const read = readReportColumns(columns);
  assert(read !== null, "a record holds whole reports");
  return new ReportSet(read, details);
}
