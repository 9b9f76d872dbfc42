// SPDX-License-Identifier: Apache-2.0
/** How far a stop has got, as the wire shows it. */
import { create } from "@bufbuild/protobuf";
import { StopReachSchema, type StopReach } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import type { StopReach as Reach } from "../rollouts/stop-reach.ts";

export function stopReachMessage(reach: Reach): StopReach {
  return create(StopReachSchema, {
    stopEpoch: BigInt(reach.stopEpoch),
    atMs: BigInt(Math.round(reach.atMs)),
    notConnected: reach.notConnected,
    offersEndAtMs: BigInt(Math.round(reach.offersEndAtMs)),
    gateways: reach.gateways.map(({ informedAfterMs, devicesAfterMs, ...gateway }) => ({
      ...gateway,
      leasesEndAtMs: BigInt(Math.round(gateway.leasesEndAtMs)),
      ...(informedAfterMs === null ? {} : { informedAfterMs }),
      ...(devicesAfterMs === null ? {} : { devicesAfterMs }),
    })),
  });
}
