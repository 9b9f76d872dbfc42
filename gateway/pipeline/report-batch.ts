// SPDX-License-Identifier: Apache-2.0
/**
 * Reports on their way to the center, as columns: the message that goes up, and beside it for each
 * report who waits for its acknowledgement (local id and ticket; -1 = nobody).
 */
import { create } from "@bufbuild/protobuf";
import { REPORT_PHASES, type DeviceReport } from "../../protocol/device/report.ts";
import {
  ReportBatchSchema,
  ReportDetailSchema,
  type ReportBatch,
} from "../../protocol/gen/muster/v1/gateway_pb.ts";

/** What a report costs in memory beside its texts, bytes: nine columns and two to answer. */
const REPORT_BYTES_BASE = 96;

export interface HeldReport {
  readonly localId: number;
  /** -1 when the device asked for no acknowledgement. */
  readonly ticket: number;
  readonly report: DeviceReport;
}

/** An estimate of the memory that a held report takes. */
export function heldBytes(report: DeviceReport): number {
  return REPORT_BYTES_BASE + (report.detail?.length ?? 0) * 2 + (report.digest?.length ?? 0);
}

export class PendingBatch {
  readonly message: ReportBatch = create(ReportBatchSchema);
  readonly localIds: number[] = [];
  readonly tickets: number[] = [];
  bytes = 0;

  get count(): number {
    return this.localIds.length;
  }

  add(ordinal: number, held: HeldReport): void {
    const { message } = this;
    const { report } = held;
    const hasDetail =
      report.reason !== undefined || report.detail !== undefined || report.digest !== undefined;
    if (hasDetail) {
      message.details.push(
        create(ReportDetailSchema, {
          index: this.count,
          reason: report.reason ?? "",
          text: report.detail ?? "",
          digest: report.digest ?? "",
          outputBytes: BigInt(report.outputBytes ?? 0),
          ...(report.exitCode === undefined ? {} : { exitCode: report.exitCode }),
        }),
      );
    }
    message.ordinals.push(ordinal);
    message.rollouts.push(report.rollout);
    message.positions.push(report.position);
    message.generations.push(report.generation);
    message.sequences.push(report.sequence);
    message.phases.push(REPORT_PHASES[report.phase]);
    message.deviceTimesMs.push(BigInt(report.atMs ?? 0));
    this.localIds.push(held.localId);
    this.tickets.push(held.ticket);
    this.bytes += heldBytes(report);
  }
}
