// SPDX-License-Identifier: Apache-2.0
/** Success needs evidence: a device that is counted as succeeded runs what it was offered. */
import { attemptsByDevice, deviceAttempts, nameOf } from "./device-attempts.ts";
import type { Checker, Violation } from "./history.ts";

export const checkEvidence: Checker = (history) => {
  const attempts = deviceAttempts(history.journal);
  return history.rollouts.flatMap((rollout) => {
    const byDevice = attemptsByDevice(attempts, rollout.number);
    const violations: Violation[] = [];
    for (const { device, state, generation } of rollout.attempts) {
      if (state !== "succeeded") continue;
      const own = byDevice.get(device)?.find((attempt) => attempt.generation === generation);
      if (own === undefined || own.acceptedAtMs === null) {
        const story =
          `${nameOf(rollout)} counts ${device} as succeeded under generation ${generation}, ` +
          "which the device never accepted";
        violations.push({ invariant: "evidence", story });
      } else if ((own.runs ?? own.former) !== own.target) {
        const story =
          `${nameOf(rollout)} counts ${device} as succeeded; it runs ` +
          `${digestName(own.runs ?? own.former)}, not ${digestName(own.target)}`;
        violations.push({ invariant: "evidence", story });
      }
    }
    return violations;
  });
};

/** The first characters of a digest tell two of them apart. */
export function digestName(digest: string): string {
  return digest === "" ? "nothing" : digest.slice(0, 12);
}
