// SPDX-License-Identifier: Apache-2.0
/**
 * The steps of an attempt, as data: `diff` writes them, the journal keeps them, a table runs them.
 * They hold all that is needed to go on after a power cut, and no paths: those follow from slot and
 * side.
 *
 * Each kind belongs to a stage. Up to and including `wait`, nothing on the device has changed;
 * `install` touches the inactive side only; `activate` is where what runs changes.
 */
import { z } from "zod";
import type { Command } from "../../domain/subject.ts";
import { commandSchema } from "../../protocol/device/command.ts";
import type { HealthCheck } from "../../protocol/device/release-manifest.ts";
import { healthCheckSchema } from "../slots/side-record.ts";
import type { ActiveSide, Side } from "../slots/slot-layout.ts";

export interface ArtifactBytes {
  readonly sha256: string;
  readonly lengthBytes: number;
  /** The blob that names its chunks; absent = it is fetched whole. */
  readonly chunkIndex?: { readonly sha256: string; readonly lengthBytes: number } | undefined;
}

export interface DownloadStep extends ArtifactBytes {
  readonly kind: "download";
}
export interface VerifyStep {
  readonly kind: "verify";
  readonly artifacts: readonly ArtifactBytes[];
}
/** Asks the busy hook until the device is free. */
export interface WaitStep {
  readonly kind: "wait";
}
export interface StageCleanStep {
  readonly kind: "stage-clean";
  readonly side: Side;
}
export interface ArchiveStep extends ArtifactBytes {
  readonly kind: "archive";
  readonly side: Side;
  readonly to: string;
  readonly unpackedBytesMax: number;
}
export interface FileStep extends ArtifactBytes {
  readonly kind: "file";
  readonly side: Side;
  readonly to: string;
  readonly mode: number;
}
export interface CommandStep {
  readonly kind: "command";
  readonly side: Side;
  readonly run: readonly string[];
  readonly timeoutMs: number;
}
/** Makes the side durable, measures it and writes its record. */
export interface SealStep {
  readonly kind: "seal";
  readonly side: Side;
  readonly services: readonly string[];
  readonly healthCheck: HealthCheck | null;
}
export interface SwitchStep {
  readonly kind: "switch";
  readonly to: ActiveSide;
}
export interface ServiceStep {
  readonly kind: "service";
  readonly restart: string;
}
export interface HealthCheckStep {
  readonly kind: "health-check";
  readonly side: Side;
  readonly check: HealthCheck;
}
/** Decides that the device keeps what is active now. */
export interface CommitStep {
  readonly kind: "commit";
}
/** Switches back to what ran before. */
export interface RollbackStep {
  readonly kind: "rollback";
  readonly to: ActiveSide;
}
/** Removes what an attempt that is being undone had staged. */
export interface DiscardStep {
  readonly kind: "discard";
  readonly side: Side;
}

/** Runs a command of the center, once, and decides the attempt by how it ended. */
export interface RunStep {
  readonly kind: "run";
  readonly command: Command;
  /** Of the boot in which the command was accepted; another one later is the proof of a reboot. */
  readonly bootId: string;
}

export type Step =
  | DownloadStep
  | VerifyStep
  | WaitStep
  | StageCleanStep
  | ArchiveStep
  | FileStep
  | CommandStep
  | SealStep
  | SwitchStep
  | ServiceStep
  | HealthCheckStep
  | CommitStep
  | RollbackStep
  | DiscardStep
  | RunStep;
export type StepKind = Step["kind"];

export type Stage = "fetch" | "wait" | "install" | "activate" | "undo";

export const STAGES: { readonly [kind in StepKind]: Stage } = {
  download: "fetch",
  verify: "fetch",
  wait: "wait",
  "stage-clean": "install",
  archive: "install",
  file: "install",
  command: "install",
  seal: "install",
  switch: "activate",
  service: "activate",
  "health-check": "activate",
  commit: "activate",
  rollback: "undo",
  discard: "undo",
  run: "activate",
};

const side = z.enum(["a", "b"]);
const activeSide = z.enum(["a", "b", "none"]);
const blob = { sha256: z.string().regex(/^[0-9a-f]{64}$/), lengthBytes: z.int().min(0) };
const bytes = { ...blob, chunkIndex: z.strictObject(blob).optional() };
const run = z.array(z.string()).min(1);

export const stepSchema: z.ZodType<Step> = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("download"), ...bytes }),
  z.strictObject({ kind: z.literal("verify"), artifacts: z.array(z.strictObject(bytes)) }),
  z.strictObject({ kind: z.literal("wait") }),
  z.strictObject({ kind: z.literal("stage-clean"), side }),
  z.strictObject({
    kind: z.literal("archive"),
    ...bytes,
    side,
    to: z.string(),
    unpackedBytesMax: z.int().min(0),
  }),
  z.strictObject({ kind: z.literal("file"), ...bytes, side, to: z.string(), mode: z.int() }),
  z.strictObject({ kind: z.literal("command"), side, run, timeoutMs: z.int().min(1) }),
  z.strictObject({
    kind: z.literal("seal"),
    side,
    services: z.array(z.string()),
    healthCheck: healthCheckSchema.nullable(),
  }),
  z.strictObject({ kind: z.literal("switch"), to: activeSide }),
  z.strictObject({ kind: z.literal("service"), restart: z.string() }),
  z.strictObject({ kind: z.literal("health-check"), side, check: healthCheckSchema }),
  z.strictObject({ kind: z.literal("commit") }),
  z.strictObject({ kind: z.literal("rollback"), to: activeSide }),
  z.strictObject({ kind: z.literal("discard"), side }),
  z.strictObject({ kind: z.literal("run"), command: commandSchema, bootId: z.string() }),
]);
