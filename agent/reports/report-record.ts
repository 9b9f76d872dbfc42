// SPDX-License-Identifier: Apache-2.0
/**
 * One generation's reports on disk: what is not yet acknowledged, and how far the count has come.
 */
import { z } from "zod";
import {
  deviceReportSchema,
  MAX_REPORT_BYTES,
  MAX_REPORT_DETAIL_CHARACTERS,
} from "../../protocol/device/report.ts";
import { MAX_OUTPUT_PARTS } from "../../protocol/device/output-parts.ts";
import type { DeviceReport } from "../../protocol/device/report.ts";

export interface ReportRecord {
  readonly lastSequence: number;
  /** The attempt's last word is among the reports, or was acknowledged. */
  readonly isClosed: boolean;
  /** The last report of each phase, oldest first. */
  readonly pending: readonly DeviceReport[];
}

export const REPORT_RECORD_SCHEMA_NAME = "muster.agent-reports/v1";
/** Ten phases and the parts of one command's output, of at most MAX_REPORT_BYTES each, indented. */
const MAX_PENDING_REPORTS: number = 10 + MAX_OUTPUT_PARTS;
export const MAX_REPORT_RECORD_BYTES: number = 2 * MAX_PENDING_REPORTS * MAX_REPORT_BYTES;

export const reportRecordSchema: z.ZodType<ReportRecord> = z.strictObject({
  lastSequence: z.int().min(0).max(0xffff),
  isClosed: z.boolean(),
  pending: z.array(deviceReportSchema).max(MAX_PENDING_REPORTS),
});

/** Cuts `detail` so that the report keeps the protocol's limits, in characters and in bytes. */
export function fitReport(report: DeviceReport): DeviceReport {
  if (report.detail === undefined) return report;
  let fitting: DeviceReport = {
    ...report,
    detail: report.detail.slice(0, MAX_REPORT_DETAIL_CHARACTERS),
  };
  // Characters may take up to six bytes each in JSON.
  while (Buffer.byteLength(JSON.stringify(fitting)) > MAX_REPORT_BYTES) {
    const detail: string = fitting.detail ?? "";
    fitting = { ...fitting, detail: detail.slice(0, Math.floor(detail.length / 2)) };
  }
  return fitting;
}
