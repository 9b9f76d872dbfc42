// SPDX-License-Identifier: Apache-2.0
/**
 * Never more devices at once than the plan allows: at work (in flight), and unproven (the blast
 * radius). Counted on what devices did, which is the least that can have been out at any moment: a
 * device counts from the moment it accepts, the center has counted it since it was leased.
 */
import {
  attemptsByDevice,
  deviceAttempts,
  nameOf,
  rolloutOf,
  timeOf,
  undecidedUntilMs,
  type DeviceAttempt,
} from "./device-attempts.ts";
import type { Checker, History, RolloutHistory, Violation } from "./history.ts";

/** From the acceptance to the last word. */
export const checkInFlight: Checker = (history) =>
  history.rollouts.flatMap((rollout) =>
    judge(history, rollout, {
      invariant: "in-flight",
      limit: rollout.maxInFlight,
      what: "devices were at work",
      untilMs: (attempt) => {
        const word = attempt.lastWord?.atMs ?? Infinity;
        return Math.min(word, (attempt.acceptedAtMs ?? 0) + rollout.giveUpMs);
      },
    }),
  );

/** From the acceptance to the end of the soak; and what the center itself counted. */
export const checkBlastRadius: Checker = (history) => [
  ...history.rollouts.flatMap((rollout) =>
    judge(history, rollout, {
      invariant: "blast-radius",
      limit: rollout.blastRadius,
      what: "devices were unproven",
      untilMs: (attempt) => undecidedUntilMs(attempt, rollout),
    }),
  ),
  ...history.rollouts.flatMap((rollout) =>
    exceeds(rollout, rollout.maxUnproven, "was at most, it says,"),
  ),
  ...history.observations.flatMap((seen) => {
    const rollout = rolloutOf(history, seen.rollout);
    return rollout === null ? [] : exceeds(rollout, seen.unproven, "showed");
  }),
];

function exceeds(rollout: RolloutHistory, unproven: number, verb: string): Violation[] {
  if (unproven <= rollout.blastRadius) return [];
  const bound = `its plan allows ${rollout.blastRadius}`;
  const story = `${nameOf(rollout)} ${verb} ${unproven} unproven devices; ${bound}`;
  return [{ invariant: "blast-radius", story }];
}

interface Measure {
  readonly invariant: string;
  readonly limit: number;
  readonly what: string;
  readonly untilMs: (attempt: DeviceAttempt) => number;
}

/** The worst moment of a rollout, when it was over the limit. */
function judge(history: History, rollout: RolloutHistory, measure: Measure): Violation[] {
  const { limit } = measure;
  const edges: { atMs: number; change: 1 | -1; device: string }[] = [];
  for (const own of attemptsByDevice(deviceAttempts(history.journal), rollout.number).values()) {
    const accepted = own.filter(({ acceptedAtMs }) => acceptedAtMs !== null);
    accepted.forEach((attempt, index) => {
      // A device that was offered it again is one device: the newer attempt counts.
      const nextMs = accepted[index + 1]?.acceptedAtMs ?? Infinity;
      const untilMs = Math.min(measure.untilMs(attempt), nextMs);
      const { acceptedAtMs, device } = attempt;
      if (acceptedAtMs === null || untilMs <= acceptedAtMs) return;
      edges.push({ atMs: acceptedAtMs, change: 1, device }, { atMs: untilMs, change: -1, device });
    });
  }
  // Within a millisecond ends come first: the count stays a lower bound.
  edges.sort((one, other) => one.atMs - other.atMs || one.change - other.change);
  let count = 0;
  let worst = { count: 0, atMs: 0, device: "" };
  for (const { atMs, change, device } of edges) {
    count += change;
    if (count > worst.count) worst = { count, atMs, device };
  }
  if (worst.count <= limit) return [];
  const story =
    `${worst.count} ${measure.what} for ${nameOf(rollout)} at ${timeOf(worst.atMs)}, when ` +
    `${worst.device} accepted; its plan allows ${limit}`;
  return [{ invariant: measure.invariant, story }];
}
