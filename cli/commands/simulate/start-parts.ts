// SPDX-License-Identifier: Apache-2.0
/** Starts a swarm in this process, or in several where it is larger than one can hold. */
import { MusterError } from "../../../domain/errors.ts";
import { SILENT_LOGGER } from "../../../ports/logger.ts";
import type { PartOptions } from "../../../simulator/swarm/process-messages.ts";
import { MAX_DEVICES_A_PROCESS } from "../../../simulator/swarm/options.ts";
import type { SwarmHandle } from "../../../simulator/swarm/swarm-processes.ts";
import type { Shell } from "../../shell.ts";

/** The swarm is loaded when it runs: help and completion need only the options. */
export async function startParts(options: {
  shell: Pick<Shell, "clock" | "random" | "interrupt">;
  /** undefined = as few as can hold the devices. */
  processCount: number | undefined;
  swarm: PartOptions;
  onEnrolled: (deviceCount: number) => void;
}): Promise<SwarmHandle> {
  const { shell, swarm, onEnrolled } = options;
  const { clock, random, interrupt } = shell;
  const { signal } = interrupt;
  const processCount = await checkProcessCount(options.processCount, swarm.devices.length);
  if (processCount > 1) {
    const { startSwarmProcesses } = await import("../../../simulator/swarm/swarm-processes.ts");
    return startSwarmProcesses({ ...swarm, processCount, clock, signal, onEnrolled });
  }
  const { startSwarm } = await import("../../../simulator/swarm/swarm.ts");
  return startSwarm({ ...swarm, clock, random, logger: SILENT_LOGGER, signal, onEnrolled });
}

async function checkProcessCount(wanted: number | undefined, deviceCount: number): Promise<number> {
  const { MAX_PROCESSES } = await import("../../../simulator/swarm/swarm-processes.ts");
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
