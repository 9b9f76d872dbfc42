// SPDX-License-Identifier: Apache-2.0
/**
 * What a device says about itself: `up/hello` once after connecting (QoS 1) and `up/heartbeat`
 * every interval (QoS 0, best effort). Both carry the evidence of every slot: the digest of what
 * runs, measured on the device, and its health. The gateway passes on changes only.
 */
import { z } from "zod";
import { CODECS, type CodecName } from "./codec-names.ts";

/** Slots: what is updated independently on a device. */
export const SLOTS = ["os", "app", "config", "command"] as const;
export type Slot = (typeof SLOTS)[number];

/**
 * What a device may say that it understands beyond the first form of the protocol. `windows`: it
 * keeps the windows that an offer names, so it may be offered work while they are closed.
 */
export const FEATURES = ["windows"] as const;
export type Feature = (typeof FEATURES)[number];

/** Evidence of one slot. */
export interface SlotStatus {
  /** SHA-256 (hex) of the release manifest that runs; "" = nothing installed. */
  readonly digest: string;
  /** For people; the digest decides. */
  readonly version: string;
  /** Under which it was installed; 0 = factory. */
  readonly generation: number;
  readonly health: "healthy" | "unhealthy" | "unknown";
}

export type SlotStatuses = { readonly [slot in Slot]?: SlotStatus | undefined };

export interface DeviceHello {
  /** 1. */
  readonly protocol: number;
  /** `muster-agent/0.1.0`, or the name of whoever wrote the client. */
  readonly agent: string;
  /** Of the heartbeats of this session. */
  readonly codec: CodecName;
  /** Facts a selector can ask for: `hwRevision`, `os`, `arch`, … at most 64, values ≤ 256 chars. */
  readonly inventory: { readonly [key: string]: string };
  readonly slots: SlotStatuses;
  /** Of FEATURES; names that nobody knows are passed over. */
  readonly features?: readonly string[] | undefined;
}

export interface DeviceHeartbeat {
  readonly sequence: number;
  readonly slots: SlotStatuses;
}

export const MAX_HELLO_BYTES = 32_768;
export const MAX_HEARTBEAT_BYTES = 4_096;
export const MAX_VERSION_CHARACTERS = 128;

const slotStatus: z.ZodType<SlotStatus> = z.strictObject({
  digest: z.string().regex(/^([0-9a-f]{64})?$/),
  version: z.string().max(MAX_VERSION_CHARACTERS),
  generation: z.int().min(0).max(0x7fff_ffff),
  health: z.enum(["healthy", "unhealthy", "unknown"]),
});

const slotStatuses: z.ZodType<SlotStatuses> = z.strictObject({
  os: slotStatus.optional(),
  app: slotStatus.optional(),
  config: slotStatus.optional(),
  command: slotStatus.optional(),
});

export const deviceHelloSchema: z.ZodType<DeviceHello> = z.strictObject({
  protocol: z.literal(1),
  agent: z.string().min(1).max(128),
  codec: z.enum(CODECS, {
    error: ({ input }) =>
      `${JSON.stringify(input)?.slice(0, 40)} is not known here; it can be ${CODECS.join(" or ")}`,
  }),
  inventory: z
    .record(z.string().regex(/^[A-Za-z][A-Za-z0-9._-]{0,62}$/), z.string().max(256))
    .refine((value) => Object.keys(value).length <= 64, "at most 64 entries"),
  slots: slotStatuses,
  features: z
    .array(z.string().regex(/^[a-z0-9-]{1,32}$/))
    .max(16)
    .optional(),
});

export const deviceHeartbeatSchema: z.ZodType<DeviceHeartbeat> = z.strictObject({
  sequence: z.int().min(0),
  slots: slotStatuses,
});
