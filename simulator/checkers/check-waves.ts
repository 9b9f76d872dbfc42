// SPDX-License-Identifier: Apache-2.0
/**
 * No device accepts before the audit log says that its wave was opened, and no wave is opened
 * before the gate of the one before it: everything accepted in it is decided, and everybody was
 * reached or the reach window is over.
 */
import {
  attemptsByDevice,
  deviceAttempts,
  nameOf,
  timeOf,
  undecidedUntilMs,
  type DeviceAttempt,
} from "./device-attempts.ts";
import type { AttemptHistory, Checker, History, RolloutHistory, Violation } from "./history.ts";

const INVARIANT = "waves";
/**
 * The center decides on what it knows at the beginning of a cycle, and the audit entry has the time
 * at its end, when it is stored.
 */
const CYCLE_MS = 1_000;

type Acts = ReadonlyMap<string, readonly DeviceAttempt[]>;

export const checkWaves: Checker = (history) => {
  const attempts = deviceAttempts(history.journal);
  return history.rollouts.flatMap((rollout) => {
    const openedAtMs = openings(history, rollout);
    const acts = attemptsByDevice(attempts, rollout.number);
    return [...earlyAccepts(rollout, openedAtMs, acts), ...earlyWaves(rollout, openedAtMs, acts)];
  });
};

/** By wave, from index 0. */
function openings(history: History, rollout: RolloutHistory): readonly number[] {
  const subject = `rollout/${rollout.tenant}/${rollout.name}`;
  return history.audit
    .filter((entry) => entry.subject === subject && entry.action === "rollout.open-wave")
    .map(({ atMs }) => atMs);
}

function earlyAccepts(
  rollout: RolloutHistory,
  openedAtMs: readonly number[],
  acts: Acts,
): Violation[] {
  const violations: Violation[] = [];
  for (const { device, wave } of rollout.attempts) {
    const opened = openedAtMs[wave - 1] ?? Infinity;
    for (const { acceptedAtMs } of acts.get(device) ?? []) {
      if (acceptedAtMs === null || acceptedAtMs >= opened) continue;
      const when = opened === Infinity ? "was never opened" : `was opened at ${timeOf(opened)}`;
      const story =
        `${device} accepted ${nameOf(rollout)} at ${timeOf(acceptedAtMs)}; its wave ${wave} ` +
        when;
      violations.push({ invariant: INVARIANT, story });
    }
  }
  return violations;
}

function earlyWaves(
  rollout: RolloutHistory,
  openedAtMs: readonly number[],
  acts: Acts,
): Violation[] {
  const violations: Violation[] = [];
  for (const attempt of rollout.attempts) {
    const opened = openedAtMs[attempt.wave - 1];
    const next = openedAtMs[attempt.wave];
    if (opened === undefined || next === undefined) continue;
    const why = whyTooEarly(rollout, attempt, acts, { opened, next });
    if (why === null) continue;
    const story =
      `wave ${attempt.wave + 1} of ${nameOf(rollout)} was opened at ${timeOf(next)}, ` +
      `${next - opened} ms after wave ${attempt.wave}, when ${attempt.device} ${why}`;
    violations.push({ invariant: INVARIANT, story });
  }
  return violations;
}

/** What the gate should have waited for; null = nothing. */
function whyTooEarly(
  rollout: RolloutHistory,
  attempt: AttemptHistory,
  acts: Acts,
  window: { readonly opened: number; readonly next: number },
): string | null {
  const { next, opened } = window;
  const own = (acts.get(attempt.device) ?? []).filter((act) => (act.acceptedAtMs ?? 0) <= next);
  const last = own.at(-1);
  const isReachOver = next - opened + CYCLE_MS >= rollout.reachMs;
  if (last === undefined) return isReachOver ? null : "had not been reached";
  if (last.acceptedAtMs === null) return null; // It had refused.
  if (undecidedUntilMs(last, rollout) <= next) return null;
  // The center may not have known that it accepted, and it was in the tail by then.
  const knownAtMs = last.acceptHeardAtMs ?? Infinity;
  if (isReachOver && knownAtMs + CYCLE_MS > next) return null;
  return `was at work or in its soak since ${timeOf(last.acceptedAtMs)}`;
}
