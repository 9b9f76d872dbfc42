// SPDX-License-Identifier: Apache-2.0
/** How long things take on a pretend device: uniform between two bounds, drawn each time. */
import type { Random } from "../../ports/random.ts";

/** Milliseconds, least and most. */
export type Span = readonly [leastMs: number, mostMs: number];

export interface Pace {
  /** Unpacking and staging, download not counted. */
  readonly installMs: Span;
  /** How long a hesitant device looks at an offer. */
  readonly considerMs: Span;
  /** The release's health check. */
  readonly checkMs: Span;
  /** A slow device takes so many times longer. */
  readonly slowFactor: number;
  /** From a crash until it connects again. */
  readonly rebootMs: Span;
  /** How long a flaky device keeps a connection. */
  readonly flakyConnectedMs: Span;
  /** From hello until a device that leaves has left. */
  readonly leaveAfterMs: Span;
}

export const DEFAULT_PACE: Pace = {
  installMs: [200, 1_000],
  considerMs: [50_000, 70_000],
  checkMs: [50, 300],
  slowFactor: 10,
  rebootMs: [500, 2_000],
  flakyConnectedMs: [5_000, 30_000],
  leaveAfterMs: [0, 1_000],
};

export function drawMs(span: Span, random: Random): number {
  return Math.floor(span[0] + random.next() * (span[1] - span[0]));
}
