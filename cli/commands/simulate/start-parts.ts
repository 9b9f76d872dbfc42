// SPDX-License-Identifier: Apache-2.0
/** Starts a swarm in this process, or in several where it is larger than one can hold. */
import { MusterError } from "../../../domain/errors.ts";
import { SILENT_LOGGER } from "../../../ports/logger.ts";
import type { PartOptions } from "../../../simulator/swarm/process-messages.ts";
import { MAX_DEVICES_A_PROCESS, MAX_PROCESSES } from "../../../simulator/swarm/options.ts";
import type { SwarmHandle } from "../../../simulator/swarm/swarm-processes.ts";
import type { Shell } from "../../shell.ts";

/** The swarm is loaded when it runs: help and completion need only the options. */
export async function startParts(options: {
  shell: Pick<Shell, "clock" | "random" | "interrupt">;
  processCount: number;
  swarm: PartOptions;
  onEnrolled: (deviceCount: number) => void;
}): Promise<SwarmHandle> {
  const { shell, swarm, processCount, onEnrolled } = options;
  const { clock, random, interrupt } = shell;
  const { signal } = interrupt;
  if (processCount > 1) {
    const { startSwarmProcesses } = await import("../../../simulator/swarm/swarm-processes.ts");
    return startSwarmProcesses({ ...swarm, processCount, clock, signal, onEnrolled });
  }
  const { startSwarm } = await import("../../../simulator/swarm/swarm.ts");
  return startSwarm({ ...swarm, clock, random, logger: SILENT_LOGGER, signal, onEnrolled });
}

/** `wanted` undefined = as few as can hold the devices. Throws `invalid_argument`. */
export function processCountOf(wanted: number | undefined, deviceCount: number): number {
  const least = Math.ceil(deviceCount / MAX_DEVICES_A_PROCESS);
  const most = Math.min(MAX_PROCESSES, deviceCount);
  const processCount = wanted ?? least;
  if (processCount >= least && processCount <= most) return processCount;
  throw new MusterError({
    code: "invalid_argument",
    message: `${deviceCount} devices need ${least} to ${most} processes, not ${processCount}`,
    detail: { field: "--processes" },
  });
}
