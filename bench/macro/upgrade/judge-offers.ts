// SPDX-License-Identifier: Apache-2.0
/** Whether each device of each rollout was reached, and did the work once. */
import type { RolloutHistory } from "../../../simulator/checkers/history.ts";
import type { JournalEntry } from "../../../simulator/swarm/operation-journal.ts";

export interface OfferFigures {
  /** One for each device of each rollout. */
  readonly pushed: number;
  /** Of those: their device never accepted one, or its attempt did not end well. */
  readonly lost: number;
  /** Devices that began the same rollout's work more than once, counted a time. */
  readonly twice: number;
}

export function judgeOffers(
  journal: Iterable<JournalEntry>,
  rollouts: readonly RolloutHistory[],
): OfferFigures {
  const accepted = new Set<string>();
  const begun = new Map<string, number>();
  for (const entry of journal) {
    if (entry.op === "accept") accepted.add(nameOf(entry.rollout, entry.device));
    if (!isBegin(entry)) continue;
    const name = nameOf(entry.rollout, entry.device);
    begun.set(name, (begun.get(name) ?? 0) + 1);
  }
  const attempts = rollouts.flatMap(({ number, attempts: own }) =>
    own.map(({ device, state }) => ({ name: nameOf(number, device), state })),
  );
  const lost = attempts.filter(({ name, state }) => !accepted.has(name) || state !== "succeeded");
  const twice = [...begun.values()].reduce((sum, count) => sum + count - 1, 0);
  return { pushed: attempts.length, lost: lost.length, twice };
}

/** A release is switched to, a command is begun. */
function isBegin(entry: JournalEntry): entry is JournalEntry & { op: "activate" | "report" } {
  if (entry.op === "activate") return true;
  if (entry.op !== "report" || entry.isRepeat === true) return false;
  return entry.slot === "command" && entry.report.phase === "installing";
}

function nameOf(rollout: number, device: string): string {
  return `${rollout} ${device}`;
}
