// SPDX-License-Identifier: Apache-2.0
/** `muster gateway --workers`: the parent, and what it starts once a worker. */
import { MusterError } from "../../../domain/errors.ts";
import type { GatewayParentOptions, WorkerStart } from "../../../gateway/main.ts";
import type { LogLevel } from "../../../runtime/pino-logger.ts";
import { roleLogger } from "../../roles/role-logger.ts";
import { runRole, type ReadyFacts, type RunningRole } from "../../roles/run-role.ts";
import type { Shell } from "../../shell.ts";

type ScaleOptions = Pick<
  GatewayParentOptions,
  "workers" | "mostWorkers" | "scaleOutAfterMs" | "scaleInAfterMs"
>;

/** How a worker logs, as its parent was told to. */
export interface WorkerLog {
  readonly logLevel: LogLevel;
  readonly logFile?: string;
}

export interface StartParentOptions extends ScaleOptions {
  readonly gateway: WorkerStart;
  readonly log: WorkerLog;
  readonly shell: Shell;
}

/** Runs the workers; SIGHUP replaces them one after the other. */
export async function startParent(
  options: StartParentOptions,
): Promise<{ role: RunningRole; facts: ReadyFacts }> {
  const { startGatewayWorkers } = await import("../../../gateway/main.ts");
  const { gateway, log, shell, ...scale } = options;
  const { program } = shell;
  if (program === undefined) throw new Error("assertion failed: this shell starts no processes");
  const parent = await startGatewayWorkers({
    ...scale,
    gateway,
    told: { ...log },
    command: program.command,
    args: [...program.args, "gateway", "--as-worker"],
    clock: shell.clock,
    random: shell.random,
    logger: roleLogger("gateway", log),
  });
  program.onHangup(() => void parent.replaceAll());
  return {
    role: { ended: parent.stopped, stop: () => parent.stop() },
    facts: { ...parent.ports, workers: scale.workers },
  };
}

/** One worker: what it is to be comes from its parent. */
export async function runWorker(shell: Shell): Promise<void> {
  const { receiveStart, serveParent } = await import("../../../gateway/main.ts");
  const { startGateway } = await import("../../../gateway/wiring.ts");
  const parent = shell.program?.parent ?? null;
  if (parent === null) {
    throw new MusterError({
      code: "invalid_argument",
      message: "--as-worker is for the processes that `muster gateway --workers` starts itself",
      detail: { hint: "give --workers, and how many" },
    });
  }
  await runRole({
    shell,
    readyFile: undefined,
    start: async () => {
      const { logLevel, logFile, ...told } = await receiveStart<WorkerStart & WorkerLog>(parent);
      const log = { logLevel, ...(logFile === undefined ? {} : { logFile }) };
      const gateway = await startGateway({ ...told, logger: roleLogger("gateway", log) });
      serveParent(parent, gateway);
      return {
        name: `gateway ${told.region}/${told.gatewayId}, worker ${told.worker ?? 0},`,
        role: { ended: gateway.stopped, stop: () => gateway.stop() },
        facts: { mqttsPort: gateway.mqttsPort },
      };
    },
  });
}
