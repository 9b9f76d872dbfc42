// SPDX-License-Identifier: Apache-2.0
/** Asks the new release whether it is healthy, as often as it says, before it is kept. */
import { delay } from "../../ports/clock.ts";
import { faultPoint } from "../../runtime/faults.ts";
import { checkHealth } from "../slots/health.ts";
import type { HealthCheckStep } from "./step.ts";
import { DONE, failed } from "./step-context.ts";
import type { StepExecutor } from "./step-context.ts";

export const runHealthCheck: StepExecutor<HealthCheckStep> = async (context, step) => {
  const { processes, layout, slot, clock, interrupt } = context;
  const { check } = step;
  const folder = layout.sideFolder(slot, step.side);
  for (let tryCount = 1; ; tryCount += 1) {
    faultPoint("agent.health-check.middle");
    const verdict = await checkHealth({ processes, slot, folder, check, signal: interrupt });
    if (verdict.kind === "healthy") return DONE;
    if (tryCount === check.attempts) {
      const reason = verdict.timedOut ? "health-check-timed-out" : "health-check-failed";
      return failed(reason, `${verdict.detail} (try ${tryCount} of ${check.attempts})`);
    }
    await delay(clock, check.intervalMs, interrupt);
  }
};
