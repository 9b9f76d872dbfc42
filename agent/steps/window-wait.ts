// SPDX-License-Identifier: Apache-2.0
/**
 * The windows of an offer, on the device: judged by working time in the zone that the offer names.
 * Looked at often rather than slept until: a clock may be set while the device waits.
 */
import { isOpenAt } from "../../domain/window.ts";
import type { WindowKind } from "../../domain/zone-windows.ts";
import { delay } from "../../ports/clock.ts";
import type { StepContext } from "./step-context.ts";

/** How late a window may be noticed. */
export const WINDOW_INTERVAL_MS = 15_000;

type WindowContext = Pick<StepContext, "offer" | "workingTimeMs" | "clock" | "interrupt">;

export function isWindowOpen(context: WindowContext, kind: WindowKind): boolean {
  const { windows } = context.offer;
  if (windows === undefined) return true;
  return isOpenAt(windows[kind], windows.timeZone, context.workingTimeMs());
}

/** Throws the reason of `interrupt` when that comes first. */
export async function untilWindowOpens(context: WindowContext, kind: WindowKind): Promise<void> {
  while (!isWindowOpen(context, kind))
    await delay(context.clock, WINDOW_INTERVAL_MS, context.interrupt);
}

/** Aborts when the window closes; to be disposed of when nobody listens any more. */
export function whenWindowCloses(
  context: WindowContext,
  kind: WindowKind,
): Disposable & { readonly signal: AbortSignal } {
  const closing = new AbortController();
  let cancel = (): void => {};
  const look = (): void => {
    if (!isWindowOpen(context, kind)) closing.abort(new Error(`the ${kind} window has closed`));
    else cancel = context.clock.setTimer(WINDOW_INTERVAL_MS, look);
  };
  if ((context.offer.windows?.[kind].length ?? 0) > 0) look();
  return { signal: closing.signal, [Symbol.dispose]: () => cancel() };
}
