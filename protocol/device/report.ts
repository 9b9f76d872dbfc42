// SPDX-License-Identifier: Apache-2.0
/**
 * What a device says about an attempt: one JSON message with QoS 1 on `up/report`. It names the
 * (rollout, position, generation) of the offer it answers, so a late report is filed under its own
 * attempt. `sequence` grows by one with each report of a generation; a repeated or older one has no
 * effect. The gateway acknowledges (PUBACK) when the center holds it durably.
 */
import { z } from "zod";
import { DEVICE_REASONS } from "../../domain/attempt.ts";

/**
 * Phases in the order in which an attempt goes through them; the number is the wire code of
 * GatewayLink's columns. 6 to 10 end the attempt on the device's side.
 */
export const REPORT_PHASES = {
  accepted: 1,
  downloading: 2,
  downloaded: 3,
  /** The `busy` hook defers the install, or a window is closed. */
  waiting: 4,
  installing: 5,
  /** Installed, health check passed, the device keeps it: soak begins with the evidence. */
  installed: 6,
  /** It never started installing (download, verification, disk): what ran before runs on. */
  failed: 7,
  /** Installing or the health check failed; the device put back what it ran before. */
  "rolled-back": 8,
  /** Not accepted; nothing was done. */
  rejected: 9,
  /** Newer work for the slot was accepted while this one was under way. */
  superseded: 10,
  /** The next part of what a command printed, in `detail`; before the report of its end. */
  output: 11,
} as const;
export type ReportPhase = keyof typeof REPORT_PHASES;

/** Asked of every report: an array, of which element 0 is nobody's. */
const PHASE_BY_CODE: readonly (ReportPhase | undefined)[] = [
  undefined,
  ...(Object.keys(REPORT_PHASES) as ReportPhase[]).toSorted(
    (a, b) => REPORT_PHASES[a] - REPORT_PHASES[b],
  ),
];

/** The phase of a wire code, or null. */
export function reportPhaseOf(code: number): ReportPhase | null {
  return PHASE_BY_CODE[code] ?? null;
}

/** Why an attempt failed or was rejected. */
export const REPORT_REASONS: typeof DEVICE_REASONS = DEVICE_REASONS;
export type ReportReason = (typeof REPORT_REASONS)[number];

/** Longest `detail`; the rest is cut by the sender. */
export const MAX_REPORT_DETAIL_CHARACTERS = 2_048;

/** Largest report on the wire, bytes. */
export const MAX_REPORT_BYTES = 8_192;

export interface DeviceReport {
  /** Rollout number, from the offer. */
  readonly rollout: number;
  readonly position: number;
  readonly generation: number;
  readonly sequence: number;
  readonly phase: ReportPhase;
  readonly reason?: ReportReason | undefined;
  readonly detail?: string | undefined;
  /** SHA-256 (hex) of the release manifest that runs now; "" = nothing. */
  readonly digest?: string | undefined;
  /** The device's wall clock, milliseconds since 1970; advisory. */
  readonly atMs?: number | undefined;
  /** Of a command that ended by itself. */
  readonly exitCode?: number | undefined;
  /** All that a command printed, whether it is kept or not. */
  readonly outputBytes?: number | undefined;
}

const phases = Object.keys(REPORT_PHASES) as [ReportPhase, ...ReportPhase[]];

export const deviceReportSchema: z.ZodType<DeviceReport> = z.strictObject({
  rollout: z.int().min(1).max(0xffff_ffff),
  position: z.int().min(0).max(0xffff_ffff),
  generation: z.int().min(1).max(0x7fff_ffff),
  sequence: z.int().min(1).max(0xffff),
  phase: z.enum(phases),
  reason: z.enum(REPORT_REASONS).optional(),
  detail: z.string().max(MAX_REPORT_DETAIL_CHARACTERS).optional(),
  digest: z
    .string()
    .regex(/^([0-9a-f]{64})?$/)
    .optional(),
  atMs: z.int().min(0).optional(),
  exitCode: z.int().min(0).max(255).optional(),
  outputBytes: z.int().min(0).optional(),
});
