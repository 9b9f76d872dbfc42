// SPDX-License-Identifier: Apache-2.0
/**
 * Reports in packed columns, as they cross the link and lie in the EventLog: per report the
 * device's ordinal (u32), rollout number (u32), position (u32), generation (i32), sequence (u16)
 * and phase (u8, a code of `device/report.ts`), little-endian, one column behind the other. The
 * same bytes are written and read as they are: a report costs a copy and no object.
 */
import type { ReportBatch } from "../gen/muster/v1/gateway_pb.ts";

export const REPORT_BYTES = 19;

/** Index n of each column is report n. */
export interface ReportColumns {
  readonly count: number;
  readonly ordinals: Uint32Array;
  readonly rollouts: Uint32Array;
  readonly positions: Uint32Array;
  readonly generations: Int32Array;
  readonly sequences: Uint16Array;
  readonly phases: Uint8Array;
  /** All of them. */
  readonly bytes: Uint8Array;
}

/** Columns of zeros, to be filled in. */
export function createReportColumns(count: number): ReportColumns {
  return overBytes(new Uint8Array(count * REPORT_BYTES), count);
}

/** Reads packed columns; null when the length is not one of whole reports. */
export function readReportColumns(bytes: Uint8Array): ReportColumns | null {
  if (bytes.length % REPORT_BYTES !== 0) return null;
  const own = new Uint8Array(bytes); // a copy begins at its buffer's start
  return overBytes(own, own.length / REPORT_BYTES);
}

/** The columns of an unpacked batch, which must be well formed. */
export function packReports(batch: ReportBatch): ReportColumns {
  const columns = createReportColumns(batch.ordinals.length);
  columns.ordinals.set(batch.ordinals);
  columns.rollouts.set(batch.rollouts);
  columns.positions.set(batch.positions);
  columns.generations.set(batch.generations);
  columns.sequences.set(batch.sequences);
  columns.phases.set(batch.phases);
  return columns;
}

/** Copies report `from` of one set of columns to place `to` of another. */
export function copyReport(
  source: ReportColumns,
  from: number,
  target: ReportColumns,
  to: number,
): void {
  target.ordinals[to] = source.ordinals[from] ?? 0;
  target.rollouts[to] = source.rollouts[from] ?? 0;
  target.positions[to] = source.positions[from] ?? 0;
  target.generations[to] = source.generations[from] ?? 0;
  target.sequences[to] = source.sequences[from] ?? 0;
  target.phases[to] = source.phases[from] ?? 0;
}

/** `bytes` begins at the start of its buffer. */
function overBytes(bytes: Uint8Array, count: number): ReportColumns {
  const { buffer } = bytes;
  return {
    count,
    bytes,
    ordinals: new Uint32Array(buffer, 0, count),
    rollouts: new Uint32Array(buffer, count * 4, count),
    positions: new Uint32Array(buffer, count * 8, count),
    generations: new Int32Array(buffer, count * 12, count),
    sequences: new Uint16Array(buffer, count * 16, count),
    phases: new Uint8Array(buffer, count * 18, count),
  };
}
