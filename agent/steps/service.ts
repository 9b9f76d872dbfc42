// SPDX-License-Identifier: Apache-2.0
/** Asks the device's service hook to restart a service, after a switch or a switch back. */
import { faultPoint } from "../../runtime/faults.ts";
import type { ServiceStep } from "./step.ts";
import { DONE, failed } from "./step-context.ts";
import type { StepExecutor } from "./step-context.ts";

export const runService: StepExecutor<ServiceStep> = async (context, step) => {
  const { hooks, slot, offer, halt } = context;
  faultPoint("agent.service.middle");
  const answer = await hooks.restartService(slot, offer, { service: step.restart, signal: halt });
  return answer.kind === "restarted" ? DONE : failed("step-failed", answer.detail);
};
