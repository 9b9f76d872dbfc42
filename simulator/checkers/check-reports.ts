// SPDX-License-Identifier: Apache-2.0
/**
 * Every report that a device was told is safe took effect, exactly once: the attempt ended as the
 * device's last word under its newest generation says, no attempt ended by a word that its device
 * never gave under that generation, and no device counts as failed that did not fail.
 */
import type { AttemptState } from "../../domain/attempt.ts";
import type { ReportPhase } from "../../protocol/device/report.ts";
import { attemptsByDevice, deviceAttempts, nameOf, timeOf } from "./device-attempts.ts";
import type { DeviceAttempt } from "./device-attempts.ts";
import type { AttemptHistory, Checker, History, RolloutHistory, Violation } from "./history.ts";

const INVARIANT = "reports";

/** How an attempt may end after each last word; a rollback may put it back besides. */
const ENDS: { readonly [phase in ReportPhase]?: readonly AttemptState[] } = {
  installed: ["succeeded"],
  failed: ["failed"],
  "rolled-back": ["rolled-back"],
  rejected: ["rejected", "superseded"],
  superseded: ["superseded"],
};

/** Ends that only the device's own last word brings about. */
const WORDS_OF: { readonly [state in AttemptState]?: readonly ReportPhase[] } = {
  succeeded: ["installed"],
  rejected: ["rejected"],
};

export const checkReports: Checker = (history) => {
  const attempts = deviceAttempts(history.journal);
  return history.rollouts.flatMap((rollout) => {
    const acts = attemptsByDevice(attempts, rollout.number);
    const endedAtMs = endOf(history, rollout);
    const stories = rollout.attempts.map((attempt) => {
      const own = acts.get(attempt.device) ?? [];
      return lostWord(rollout, attempt, own, endedAtMs) ?? inventedWord(rollout, attempt, own);
    });
    stories.push(inventedFailure(rollout, acts));
    return stories
      .filter((story) => story !== null)
      .map((story): Violation => ({ invariant: INVARIANT, story }));
  });
};

/** The device was told that its last word is safe, and the attempt ended otherwise. */
function lostWord(
  rollout: RolloutHistory,
  attempt: AttemptHistory,
  own: readonly DeviceAttempt[],
  endedAtMs: number,
): string | null {
  const newest = own.findLast((act) => act.acceptedAtMs !== null);
  const word = newest?.lastWord ?? null;
  if (newest === undefined || word === null || word.heardAtMs === null) return null;
  // After its end a rollout takes nothing more.
  if (word.heardAtMs >= endedAtMs) return null;
  const ends = endsAfter(rollout, newest, word.phase);
  if (attempt.generation === newest.generation && ends.includes(attempt.state)) return null;
  return (
    `${attempt.device} said ${word.phase} to generation ${newest.generation} of ` +
    `${nameOf(rollout)} at ${timeOf(word.atMs)} and was told at ${timeOf(word.heardAtMs)} that ` +
    `it is safe; its attempt ended as ${said(attempt)}`
  );
}

function endsAfter(
  rollout: RolloutHistory,
  act: DeviceAttempt,
  phase: ReportPhase,
): readonly AttemptState[] {
  // Its evidence contradicts what it says.
  if (act.lied) return ["failed", "lost", "rolled-back"];
  const ends = ENDS[phase] ?? [];
  // A rollback takes over what was under way, and may fail to put it back.
  return rollout.child === "" || phase === "failed" ? ends : [...ends, "rolled-back", "superseded"];
}

/** The attempt ended by a word that the device never gave under this generation. */
function inventedWord(
  rollout: RolloutHistory,
  attempt: AttemptHistory,
  own: readonly DeviceAttempt[],
): string | null {
  const words = WORDS_OF[attempt.state];
  if (words === undefined) return null;
  const act = own.find(({ generation }) => generation === attempt.generation);
  const phase = act?.lastWord?.phase;
  if (phase !== undefined && words.includes(phase)) return null;
  return (
    `the attempt of ${attempt.device} at ${nameOf(rollout)} ended as ${said(attempt)}; under ` +
    `that generation the device said ${phase ?? "nothing"}`
  );
}

/** A device whose word was lost is given up, and counts as failed even if it succeeds after all. */
function inventedFailure(
  rollout: RolloutHistory,
  acts: ReadonlyMap<string, readonly DeviceAttempt[]>,
): string | null {
  const failed = rollout.attempts.filter(
    ({ device, state }) =>
      isFailure(state) || (acts.get(device) ?? []).some((act) => mayHaveFailed(rollout, act)),
  );
  if (rollout.failures <= failed.length) return null;
  return (
    `${nameOf(rollout)} counts ${rollout.failures} failures; ` +
    `no more than ${failed.length} of its devices can have failed`
  );
}

function isFailure(state: AttemptState): boolean {
  return state === "failed" || state === "rolled-back" || state === "timed-out" || state === "lost";
}

/** By its own word, or because it took so long that it may have been given up. */
function mayHaveFailed(rollout: RolloutHistory, act: DeviceAttempt): boolean {
  if (act.acceptedAtMs === null) return false;
  const { lastWord } = act;
  if (lastWord === null || act.lied) return true;
  if (lastWord.phase === "failed" || lastWord.phase === "rolled-back") return true;
  return lastWord.atMs - act.acceptedAtMs >= rollout.giveUpMs;
}

function said({ state, generation, reason }: AttemptHistory): string {
  return `${state}${reason === "" ? "" : ` (${reason})`} under generation ${generation}`;
}

/** When the rollout ended last; Infinity = it has not. */
function endOf(history: History, rollout: RolloutHistory): number {
  const subject = `rollout/${rollout.tenant}/${rollout.name}`;
  const end = history.audit.findLast(
    (entry) => entry.subject === subject && entry.action === "rollout.end",
  );
  return end?.atMs ?? Infinity;
}
