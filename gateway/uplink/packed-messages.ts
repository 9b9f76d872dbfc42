// SPDX-License-Identifier: Apache-2.0
/** The messages with many rows, in packed columns, for a center that takes them. */
import { create } from "@bufbuild/protobuf";
import {
  PackedReportBatchSchema,
  PackedStateBatchSchema,
} from "../../protocol/gen/muster/v1/gateway_pb.ts";
import { packReports } from "../../protocol/link/report-columns.ts";
import { packStates } from "../../protocol/link/state-columns.ts";
import type { CenterMessage } from "./uplink-source.ts";

/** `linkVersion`: of the center's welcome. */
export function packMessage(message: CenterMessage, linkVersion: number): CenterMessage {
  if (linkVersion === 0) return message;
  if (message.case === "reports") {
    const { batchSequence, details } = message.value;
    const columns = packReports(message.value).bytes;
    const value = create(PackedReportBatchSchema, { batchSequence, columns, details });
    return { case: "packedReports", value };
  }
  if (message.case === "deviceState") {
    const { columns, digests } = packStates(message.value);
    const value = create(PackedStateBatchSchema, { columns: columns.bytes, digests });
    return { case: "packedStates", value };
  }
  return message;
}
