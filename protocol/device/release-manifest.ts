// SPDX-License-Identifier: Apache-2.0
/**
 * The release manifest: what a release holds and how it is installed. It is a TUF target
 * (`releases/{tenant}/{name}/{version}.json`), so the operator's signature covers it, and it names
 * every artifact by SHA-256, so the signature covers those too. Its own SHA-256 is the release's
 * identity: what a device reports as evidence.
 */
import { z } from "zod";
import { SLOTS, type Slot } from "./status.ts";

export interface ReleaseArtifact {
  /** Unique in the release; what steps refer to. */
  readonly name: string;
  readonly sha256: string;
  readonly lengthBytes: number;
  /** Upper bound of what an archive may unpack to; required for archives, bytes. */
  readonly unpackedBytes?: number | undefined;
  /**
   * Place of the content-defined chunk index (`.caibx` blob by SHA-256); null = whole file only.
   */
  readonly chunkIndex: { readonly sha256: string; readonly lengthBytes: number } | null;
}

/** Steps run in order, in the inactive slot folder; each is resumable or repeatable. */
export type InstallStep =
  /** Unpacks a tar or tar.gz artifact below `to` (relative to the slot folder). */
  | { readonly kind: "archive"; readonly artifact: string; readonly to: string }
  /** Places one artifact as a file; `mode` is octal text, default "0644". */
  | {
      readonly kind: "file";
      readonly artifact: string;
      readonly to: string;
      readonly mode?: string | undefined;
    }
  /** Runs a program in the slot folder before the switch; exit 0 = done. */
  | {
      readonly kind: "command";
      readonly run: readonly string[];
      readonly timeoutMs?: number | undefined;
    }
  /** After the switch (and after a switch back): asks the device's service hook to restart. */
  | { readonly kind: "service"; readonly restart: string };

export interface HealthCheck {
  /** Program and arguments, run in the active slot folder; exit 0 = healthy. */
  readonly run: readonly string[];
  readonly timeoutMs: number;
  /** Tries before the device rolls back, with `intervalMs` between. */
  readonly attempts: number;
  readonly intervalMs: number;
}

export interface ReleaseManifest {
  readonly schema: "muster.release/v1";
  readonly tenant: string;
  readonly name: string;
  /** Semantic version (semver.org 2.0.0). */
  readonly version: string;
  readonly slot: Slot;
  /**
   * A device fits when each named inventory fact has one of the listed values; {} = every device.
   */
  readonly fits: { readonly [fact: string]: readonly string[] };
  /** `>=2.0.0`: it can be installed from this version on; absent = from any. */
  readonly requires?: string | undefined;
  readonly artifacts: readonly ReleaseArtifact[];
  readonly steps: readonly InstallStep[];
  /** Absent: a device is healthy when its steps ran. */
  readonly healthCheck?: HealthCheck | undefined;
}

export const MAX_MANIFEST_BYTES = 262_144;
export const DEFAULT_STEP_TIMEOUT_MS = 600_000;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "must be 64 lower-case hex characters");
const run = z.array(z.string().min(1).max(4_096)).min(1).max(64);
const timeoutMs = z.int().min(1).max(86_400_000);
/** Relative, no "..", no leading slash: checked again against the real folder on the device. */
const place = z
  .string()
  .max(1_024)
  .refine(
    (text) => !text.startsWith("/") && !text.split("/").includes(".."),
    'must be a relative path without ".."',
  );

const installStep: z.ZodType<InstallStep> = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("archive"), artifact: z.string(), to: place }),
  z.strictObject({
    kind: z.literal("file"),
    artifact: z.string(),
    to: place.min(1),
    mode: z
      .string()
      .regex(/^0?[0-7]{3}$/, 'must be octal like "0755"')
      .optional(),
  }),
  z.strictObject({ kind: z.literal("command"), run, timeoutMs: timeoutMs.optional() }),
  z.strictObject({ kind: z.literal("service"), restart: z.string().min(1).max(256) }),
]);

export const releaseManifestSchema: z.ZodType<ReleaseManifest> = z.strictObject({
  schema: z.literal("muster.release/v1"),
  tenant: z.string().regex(/^[a-z0-9-]{1,63}$/),
  name: z.string().regex(/^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$/),
  version: z.string().min(1).max(128),
  slot: z.enum(SLOTS),
  fits: z.record(z.string(), z.array(z.string()).min(1).max(64)),
  requires: z.string().max(140).optional(),
  artifacts: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/),
        sha256,
        lengthBytes: z.int().min(0),
        unpackedBytes: z.int().min(0).optional(),
        chunkIndex: z.strictObject({ sha256, lengthBytes: z.int().min(1) }).nullable(),
      }),
    )
    .max(64),
  steps: z.array(installStep).min(1).max(64),
  healthCheck: z
    .strictObject({
      run,
      timeoutMs,
      attempts: z.int().min(1).max(100),
      intervalMs: z.int().min(0).max(3_600_000),
    })
    .optional(),
});

/** The TUF target path of a release. */
export function releaseTarget(tenant: string, name: string, version: string): string {
  return `releases/${tenant}/${name}/${version}.json`;
}
