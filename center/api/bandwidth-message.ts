// SPDX-License-Identifier: Apache-2.0
/** `bandwidth` of a rollout's spec, from the wire and to it. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { checkRate, hasBandwidth, NO_BANDWIDTH, type Bandwidth } from "../../domain/bandwidth.ts";
import type {
  RolloutSpec as WireSpec,
  RolloutSpecSchema,
} from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { invalid } from "./spec-fields.ts";

const FIELD = "spec.bandwidth";

/** Throws `invalid_argument`. */
export function readBandwidth({ bandwidth: wire, command }: WireSpec): Bandwidth {
  if (wire === undefined) return NO_BANDWIDTH;
  if (command !== undefined) throw invalid(FIELD, "is set: a command fetches nothing");
  return {
    deviceBytesPerSecond: checkRate(Number(wire.deviceBytesPerSecond), `${FIELD}.device`),
    siteBytesPerSecond: checkRate(Number(wire.siteBytesPerSecond), `${FIELD}.site`),
    gatewayBytesPerSecond: checkRate(Number(wire.gatewayBytesPerSecond), `${FIELD}.gateway`),
  };
}

/** Nothing where there are no caps. */
export function bandwidthMessage(
  bandwidth: Bandwidth,
): Pick<MessageInitShape<typeof RolloutSpecSchema>, "bandwidth"> {
  return hasBandwidth(bandwidth) ? { bandwidth: wireBandwidth(bandwidth) } : {};
}

export function wireBandwidth(bandwidth: Bandwidth): {
  deviceBytesPerSecond: bigint;
  siteBytesPerSecond: bigint;
  gatewayBytesPerSecond: bigint;
} {
  return {
    deviceBytesPerSecond: BigInt(bandwidth.deviceBytesPerSecond),
    siteBytesPerSecond: BigInt(bandwidth.siteBytesPerSecond),
    gatewayBytesPerSecond: BigInt(bandwidth.gatewayBytesPerSecond),
  };
}
