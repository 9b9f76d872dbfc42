// SPDX-License-Identifier: Apache-2.0
/** Runs one of the release's own programs in the staged side. Power cuts repeat it from scratch. */
import { faultPoint } from "../../runtime/faults.ts";
import { offerEnvironment } from "../hooks.ts";
import { describeProcessResult } from "../process/process-runner.ts";
import type { CommandStep } from "./step.ts";
import { DONE, failed } from "./step-context.ts";
import type { StepExecutor } from "./step-context.ts";

export const runCommand: StepExecutor<CommandStep> = async (context, step) => {
  const { layout, slot, offer, halt } = context;
  const folder = layout.sideFolder(slot, step.side);
  faultPoint("agent.command.middle");
  const result = await context.processes.run({
    run: step.run,
    folder,
    environment: { ...offerEnvironment(slot, offer), MUSTER_SLOT_DIR: folder },
    timeoutMs: step.timeoutMs,
    mayLeaveProcesses: false,
    signal: halt,
  });
  halt.throwIfAborted();
  if (result.kind === "exited" && result.exitCode === 0) return DONE;
  const reason = result.kind === "timed-out" ? "step-timed-out" : "step-failed";
  return failed(reason, describeProcessResult(step.run, result));
};
