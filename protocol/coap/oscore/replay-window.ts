// SPDX-License-Identifier: Apache-2.0
/**
 * Which sequence numbers were received (RFC 8613 §3.2.2): the highest, and the 32 up to it. A
 * number below the window counts as received. Pure: a window is two numbers, as they lie in
 * columns.
 */
export const WINDOW_SIZE = 32;

export interface ReplayWindow {
  /** -1: none yet. */
  readonly highest: number;
  /** Bit i: `highest - i` was received. */
  readonly received: number;
}

/** The window after `sequence`; null when it was received, or may have been. */
export function received(window: ReplayWindow, sequence: number): ReplayWindow | null {
  const ahead = sequence - window.highest;
  if (ahead > 0) {
    const kept = ahead >= WINDOW_SIZE ? 0 : (window.received << ahead) >>> 0;
    return { highest: sequence, received: (kept | 1) >>> 0 };
  }
  if (-ahead >= WINDOW_SIZE) return null;
  const bit = (1 << -ahead) >>> 0;
  if ((window.received & bit) !== 0) return null;
  return { highest: window.highest, received: (window.received | bit) >>> 0 };
}

/** A window that begins with `sequence`: nothing before it is accepted (Appendix B.1.2). */
export function windowFrom(sequence: number): ReplayWindow {
  return { highest: sequence, received: 0xffff_ffff };
}
