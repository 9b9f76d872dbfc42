// SPDX-License-Identifier: Apache-2.0
/** Runs a release's health check once, in the folder that it is about. */
import type { HealthCheck } from "../../protocol/device/release-manifest.ts";
import type { Slot } from "../../protocol/device/status.ts";
import { describeProcessResult } from "../process/process-runner.ts";
import type { ProcessRunner } from "../process/process-runner.ts";

export type HealthVerdict =
  | { readonly kind: "healthy" }
  | { readonly kind: "unhealthy"; readonly timedOut: boolean; readonly detail: string };

/** Throws the signal's reason when it aborts meanwhile. */
export async function checkHealth(options: {
  processes: ProcessRunner;
  slot: Slot;
  folder: string;
  check: HealthCheck;
  signal: AbortSignal;
}): Promise<HealthVerdict> {
  const { processes, slot, folder, check, signal } = options;
  const result = await processes.run({
    run: check.run,
    folder,
    environment: { MUSTER_SLOT: slot, MUSTER_SLOT_DIR: folder },
    timeoutMs: check.timeoutMs,
    mayLeaveProcesses: false,
    signal,
  });
  signal.throwIfAborted();
  if (result.kind === "exited" && result.exitCode === 0) return { kind: "healthy" };
  const detail = describeProcessResult(check.run, result);
  return { kind: "unhealthy", timedOut: result.kind === "timed-out", detail };
}
