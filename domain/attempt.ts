// SPDX-License-Identifier: Apache-2.0
/**
 * The attempt: one device's try at one generation, the unit of work and of reporting.
 *
 *     pending → offered → accepted → downloading → downloaded → (waiting) → installing → verifying
 *       ↑          │                                                            │           │
 *       └──────────┘ came back unsent, or refused as expired                    ▼           ▼
 *     failed | rolled-back | timed-out | lost   ←──────────────────────────────┘       succeeded
 *     rejected | superseded | cancelled | unreachable   (neutral ends)
 *
 * `lost`: it fell silent after it accepted. `timed-out`: it was heard of, but a phase took too
 * long.
 */

/** In wire and page order: codes are stored, so new states go at the end. */
export const ATTEMPT_STATES = [
  "pending",
  "offered",
  "accepted",
  "downloading",
  "downloaded",
  "waiting",
  "installing",
  "verifying",
  "succeeded",
  "failed",
  "rolled-back",
  "timed-out",
  "lost",
  "rejected",
  "superseded",
  "cancelled",
  "unreachable",
] as const;
export type AttemptState = (typeof ATTEMPT_STATES)[number];

/** The stored code of each state. */
export const ATTEMPT: { readonly [State in AttemptState]: number } = Object.fromEntries(
  ATTEMPT_STATES.map((state, code) => [state, code]),
) as { [State in AttemptState]: number };

export const ATTEMPT_STATE_COUNT: number = ATTEMPT_STATES.length;

/** Bits kept beside the state. */
export const CELL_FLAGS = {
  /** It has accepted the release: counts in n, and is unproven until proven or back. */
  exposed: 1,
  /** It has failed once, in any way: counts in k for ever, whatever it does later. */
  failed: 2,
  /** With evidence: it runs what it ran before (or what the rollback wanted). */
  settled: 4,
  /** It was leased, and no gateway has said that its offer stayed there: the device may have it. */
  sent: 8,
  /** It was leased again before an earlier lease of this generation came back: that one may have
   * been accepted, so an unsent return of the later one proves nothing. */
  doubtful: 16,
  // The three bits above: steps of its version path behind it, or that it goes back (path-step.ts).
} as const;

/** Accepted and not yet decided. */
export function isUnderWay(state: number): boolean {
  return state >= ATTEMPT.accepted && state <= ATTEMPT.verifying;
}

/** Decided, as the gate counts: it succeeded or it failed. */
export function isDecided(state: number): boolean {
  return state >= ATTEMPT.succeeded && state <= ATTEMPT.lost;
}

/** Nothing more is expected of it. */
export function isTerminal(state: number): boolean {
  return state >= ATTEMPT.succeeded;
}

/** Those that the first version had; the codes of `CELL_REASONS` begin with them. */
const FIRST_DEVICE_REASONS = [
  "expired",
  "withdrawn",
  "older-generation",
  "not-for-this-device",
  "untrusted-offer",
  "untrusted-release",
  "does-not-fit",
  "busy",
  "download-failed",
  "digest-mismatch",
  "no-space",
  "unsafe-archive",
  "archive-too-large",
  "step-failed",
  "step-timed-out",
  "health-check-failed",
  "health-check-timed-out",
  "crash-loop",
  "internal",
] as const;

/** Words of devices that came later: codes are stored, so these follow those of the center. */
const LATER_DEVICE_REASONS = [
  "window-closed",
  /** The owner of the device allows no such command. */
  "command-forbidden",
  /** It ended with a status other than 0, or could not be started. */
  "command-failed",
  "command-timed-out",
  /** The agent ended while it ran: how far it came is not known, and it is not run again. */
  "command-interrupted",
] as const;

/** Why a device says that an attempt failed, was rejected or waits: the wire has the same words. */
export const DEVICE_REASONS: readonly [
  ...typeof FIRST_DEVICE_REASONS,
  ...typeof LATER_DEVICE_REASONS,
] = [...FIRST_DEVICE_REASONS, ...LATER_DEVICE_REASONS];

/** Why a cell is in its state; stored codes, new ones at the end. */
export const CELL_REASONS: readonly string[] = [
  "",
  ...FIRST_DEVICE_REASONS,
  "silent-while-installing",
  "no-evidence",
  "evidence-contradicts",
  "download-too-slow",
  "busy-too-long",
  "install-too-slow",
  "rollout-stopped",
  "never-reached",
  "rollout-expired",
  ...LATER_DEVICE_REASONS,
  "outdone",
  "left-selection",
  "group-failed",
];

/** The stored code of a reason; unknown texts become `internal`. */
export function reasonCode(reason: string): number {
  const code = CELL_REASONS.indexOf(reason);
  return code === -1 ? CELL_REASONS.indexOf("internal") : code;
}
