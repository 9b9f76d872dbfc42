// SPDX-License-Identifier: Apache-2.0
/**
 * What one side of a slot holds. The journal has it, and a copy lies beside the side's folder
 * (`a.json`), so that a lost journal can be rebuilt. It never lies inside the content, which is
 * measured whole.
 *
 * `proven` turns true when the release has passed its health check; only a proven side is returned
 * to, or reused without installing again.
 */
import { z } from "zod";
import type { HealthCheck } from "../../protocol/device/release-manifest.ts";

export interface SideRecord {
  readonly release: string;
  readonly version: string;
  /** SHA-256 (hex) of the release manifest. */
  readonly digest: string;
  /** Measured over the side's folder when it was sealed (slots/tree-digest.ts). */
  readonly treeDigest: string;
  /** Under which it was installed or last confirmed. */
  readonly generation: number;
  readonly proven: boolean;
  /** Services to restart whenever this side becomes the active one. */
  readonly services: readonly string[];
  readonly healthCheck: HealthCheck | null;
}

export const SIDE_RECORD_SCHEMA_NAME = "muster.slot-side/v1";
/** 64 services and a health check of 64 arguments stay far below it. */
export const MAX_SIDE_RECORD_BYTES = 524_288;

const digest = z.string().regex(/^[0-9a-f]{64}$/);

export const healthCheckSchema: z.ZodType<HealthCheck> = z.strictObject({
  run: z.array(z.string()),
  timeoutMs: z.int().min(1),
  attempts: z.int().min(1),
  intervalMs: z.int().min(0),
});

export const sideRecordSchema: z.ZodType<SideRecord> = z.strictObject({
  release: z.string(),
  version: z.string(),
  digest,
  treeDigest: digest,
  generation: z.int().min(0),
  proven: z.boolean(),
  services: z.array(z.string()),
  healthCheck: healthCheckSchema.nullable(),
});
