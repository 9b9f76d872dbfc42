// SPDX-License-Identifier: Apache-2.0
/** What can happen to an attempt or to a rollout, in words: the columns of the coverage tables. */
import { ATTEMPT } from "../attempt.ts";
import type { AttemptEvent, StepOutcome } from "../attempt-step.ts";
import type { RolloutEvent } from "../rollout-engine.ts";

export const ATTEMPT_HAPPENINGS = [
  "leased",
  /** It was given back unsent, and is free. */
  "returned",
  "accepted",
  "downloading",
  "downloaded",
  "waiting",
  "installing",
  "installed",
  "failed",
  "rolled-back",
  "rejected",
  "superseded",
  /** Given back when that says nothing: it was sent, or answered, or has another generation. */
  "late return",
  /** Any report under a generation that the attempt does not have now. */
  "older report",
  /** Any report whose sequence is not the newest. */
  "report again",
  "sees nothing",
  "sees target",
  "sees previous",
  "sees unknown",
  /** Another rollout has won its device. */
  "outdone",
  /** One of its group has failed, and it has not begun. */
  "kept back",
  /** One of its group has failed, and it took the release. */
  "goes back",
  "cancelled",
  "unreachable",
  /** Its rollout ended while it was under way. */
  "ended",
] as const;
export type AttemptHappening = (typeof ATTEMPT_HAPPENINGS)[number];

export const ROLLOUT_HAPPENINGS = [
  "tick",
  "approve",
  "start",
  "pause",
  "resume",
  "stop",
  "rollback",
  "rollback-ended",
  "analysis-answered",
] as const;
export type RolloutHappening = (typeof ROLLOUT_HAPPENINGS)[number];

export function reportedAs(event: AttemptEvent, outcome: StepOutcome): AttemptHappening {
  if (event.kind === "leased") return "leased";
  if (event.kind === "returned") return outcome === "changed" ? "returned" : "late return";
  if (outcome === "stale") return "older report";
  // A part of what a command printed changes as little as a report that comes again.
  return outcome === "duplicate" || event.phase === "output" ? "report again" : event.phase;
}

export function closedAs(to: number): AttemptHappening {
  if (to === ATTEMPT.cancelled) return "cancelled";
  return to === ATTEMPT.unreachable ? "unreachable" : "ended";
}

export function steppedAs(event: RolloutEvent): RolloutHappening {
  return event.kind === "stop" && event.rollback ? "rollback" : event.kind;
}
