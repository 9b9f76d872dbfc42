// SPDX-License-Identifier: Apache-2.0
/**
 * Deadlines and windows: an attempt that may not go on because a window is closed is not late.
 * Fetching waits for the download window, beginning to install for the install window; what has
 * begun to install waits for nothing.
 */
import { ATTEMPT } from "./attempt.ts";
import { CELLS_PER_PAGE, type AttemptPage } from "./attempt-page.ts";
import type { WindowKind } from "./zone-windows.ts";

/** The window that an attempt in this state may be waiting for. */
export function windowOf(state: number): WindowKind | null {
  if (state === ATTEMPT.accepted || state === ATTEMPT.downloading) return "download";
  return state === ATTEMPT.downloaded || state === ATTEMPT.waiting ? "install" : null;
}

/**
 * A window of one zone has opened again: for the attempts that may have waited for it the time in
 * which it was closed is taken out of their phase. True when anything changed.
 */
export function skipClosedTime(
  page: AttemptPage,
  opened: {
    readonly window: WindowKind;
    readonly zone: number;
    readonly zoneAt: (position: number) => number;
    readonly closedAtTicks: number;
    readonly nowTicks: number;
  },
): boolean {
  const base = page.number * CELLS_PER_PAGE;
  let changed = false;
  for (let cell = 0; cell < page.cellCount; cell++) {
    if (windowOf(page.state[cell] ?? 0) !== opened.window) continue;
    if (opened.zoneAt(base + cell) !== opened.zone) continue;
    const enteredAt = page.enteredAt[cell] ?? 0;
    const closedTicks = opened.nowTicks - Math.max(enteredAt, opened.closedAtTicks);
    page.enteredAt[cell] = enteredAt + closedTicks;
    changed = true;
  }
  return changed;
}
