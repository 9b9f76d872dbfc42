// SPDX-License-Identifier: Apache-2.0
/**
 * Waits until the install or the command may begin: its window is open, and the busy hook says that
 * the device is free. A command may be there to look at busy devices: only a reboot asks the hook.
 * The limit is on the time in which it was busy within a window, and runs on this process's
 * monotonic clock: an agent that starts again waits anew, for nothing is known about the time in
 * between.
 */
import { delay } from "../../ports/clock.ts";
import type { OfferPayload } from "../../protocol/device/offer.ts";
import { faultPoint } from "../../runtime/faults.ts";
import type { WaitStep } from "./step.ts";
import { DONE, failed } from "./step-context.ts";
import type { StepContext, StepExecutor } from "./step-context.ts";
import { isWindowOpen, untilWindowOpens } from "./window-wait.ts";

/** Often enough for a person who waits, seldom enough for a hook that costs something. */
export const BUSY_INTERVAL_MS = 30_000;
/** A device busy for a whole day will be offered the work again when the center wants it still. */
export const BUSY_LIMIT_MS = 86_400_000;

export const runWait: StepExecutor<WaitStep> = async (context) => {
  const { clock, interrupt } = context;
  let busyMs = 0;
  let said = "";
  const say = async (reason: "window-closed" | "busy"): Promise<void> => {
    if (said !== reason) await context.sayWaiting(reason);
    said = reason;
    faultPoint("agent.wait.middle");
  };
  for (;;) {
    if (!isWindowOpen(context, "install")) {
      await say("window-closed");
      await untilWindowOpens(context, "install");
    }
    if (!(await isBusy(context))) {
      // The hook may have taken its time.
      if (isWindowOpen(context, "install")) return DONE;
      continue;
    }
    await say("busy");
    if (busyMs > BUSY_LIMIT_MS) {
      return failed("busy", "the busy hook did not release the device for 24 hours");
    }
    const startedMs = clock.monotonicMs();
    await delay(clock, BUSY_INTERVAL_MS, interrupt);
    busyMs += clock.monotonicMs() - startedMs;
  }
};

async function isBusy({ hooks, slot, offer, interrupt }: StepContext): Promise<boolean> {
  if (!disturbs(offer)) return false;
  const busy = await hooks.isBusy(slot, offer, interrupt);
  interrupt.throwIfAborted();
  return busy;
}

/** A device that must not be updated now must not be rebooted either. */
function disturbs({ action, command }: OfferPayload): boolean {
  if (action !== "run" || command === undefined) return true;
  const { work } = command;
  return work.kind === "built-in" && work.name === "reboot";
}
