// SPDX-License-Identifier: Apache-2.0
/** `bandwidth: { device: 1MiB/s, site: 5MiB/s, gateway: 50MiB/s }` of a rollout. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { z } from "zod";
import { parseRate } from "../../domain/bandwidth.ts";
import type { BandwidthSchema } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { parsed } from "./field-types.ts";

/** Bytes a second. */
export interface BandwidthFields {
  readonly device?: number | undefined;
  readonly site?: number | undefined;
  readonly gateway?: number | undefined;
}

const rateField = parsed((text) => parseRate(text, ""));

export const bandwidthField: z.ZodType<BandwidthFields> = z
  .strictObject({
    device: rateField.optional(),
    site: rateField.optional(),
    gateway: rateField.optional(),
  })
  .refine((fields) => Object.values(fields).some((rate) => rate !== undefined), {
    message: "has no cap: name device, site, gateway or more of them",
  });

export function toBandwidth(fields: BandwidthFields): MessageInitShape<typeof BandwidthSchema> {
  return {
    deviceBytesPerSecond: BigInt(fields.device ?? 0),
    siteBytesPerSecond: BigInt(fields.site ?? 0),
    gatewayBytesPerSecond: BigInt(fields.gateway ?? 0),
  };
}
