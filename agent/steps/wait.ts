// SPDX-License-Identifier: Apache-2.0
/**
 * Asks the busy hook until the device is free. The limit runs on this process's monotonic clock: an
 * agent that starts again waits anew, for nothing is known about the time in between.
 */
import { delay } from "../../ports/clock.ts";
import { faultPoint } from "../../runtime/faults.ts";
import type { WaitStep } from "./step.ts";
import { DONE, failed } from "./step-context.ts";
import type { StepExecutor } from "./step-context.ts";

/** Often enough for a person who waits, seldom enough for a hook that costs something. */
export const BUSY_INTERVAL_MS = 30_000;
/** A device busy for a whole day will be offered the work again when the center wants it still. */
export const BUSY_LIMIT_MS = 86_400_000;

export const runWait: StepExecutor<WaitStep> = async (context) => {
  const { hooks, slot, offer, clock, interrupt } = context;
  const startedMs = clock.monotonicMs();
  let hasSaid = false;
  while (await hooks.isBusy(slot, offer, interrupt)) {
    interrupt.throwIfAborted();
    if (!hasSaid) await context.sayWaiting();
    hasSaid = true;
    faultPoint("agent.wait.middle");
    if (clock.monotonicMs() - startedMs > BUSY_LIMIT_MS) {
      return failed("busy", "the busy hook did not release the device for 24 hours");
    }
    await delay(clock, BUSY_INTERVAL_MS, interrupt);
  }
  interrupt.throwIfAborted();
  return DONE;
};
