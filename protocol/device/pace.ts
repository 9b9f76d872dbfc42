// SPDX-License-Identifier: Apache-2.0
/**
 * What a gateway says on `down/config`: how often the device is to send heartbeats for the time
 * being. It is said again before it ends, and taken back when it is over; a device that hears
 * neither goes back by itself.
 */
import { z } from "zod";

export interface Pace {
  /** Heartbeats are at least so far apart, ms; a device that sends fewer goes on as it does. */
  readonly heartbeatIntervalMs: number;
  /** For how long, ms from when it is heard; 0: no longer, as usual from now on. */
  readonly validMs: number;
}

export interface PaceMessage {
  readonly pace: Pace;
}

/** Of a message on `down/config`: it may gain fields. */
export const MAX_CONFIG_BYTES = 4_096;
/** Nobody is made silent for longer, whatever goes wrong. */
export const MAX_PACE_MS = 3_600_000;

const durationMs = z.int().min(0).max(MAX_PACE_MS);

export const paceMessageSchema: z.ZodType<PaceMessage> = z.object({
  pace: z.object({ heartbeatIntervalMs: durationMs, validMs: durationMs }),
});

/** The pace in the bytes of a message on `down/config`; null when there is none. */
export function readPace(payload: Uint8Array): Pace | null {
  if (payload.byteLength > MAX_CONFIG_BYTES) return null;
  try {
    const json: unknown = JSON.parse(Buffer.from(payload).toString("utf8"));
    return paceMessageSchema.safeParse(json).data?.pace ?? null;
  } catch {
    return null; // It is not JSON.
  }
}
