// SPDX-License-Identifier: Apache-2.0
/** What must hold of devices that move together, with arithmetic of its own over their cells. */
import { ATTEMPT, ATTEMPT_STATES, CELL_FLAGS } from "../attempt.ts";
import { UNKNOWN_RELEASE } from "../attempt-page.ts";
import { needsEvidence } from "../subject.ts";
import { must } from "./invariants.ts";
import type { PureCenter } from "./pure-center.ts";
import type { PureRollout } from "./pure-rollout.ts";

/** By position: the number of its group. */
function groupNumbers({ devices, together }: PureRollout): number[] {
  let number = -1;
  return devices.map((_, position) => (together[position] === true ? number : ++number));
}

function membersWith(rollout: PureRollout, position: number): number[] {
  const numbers = groupNumbers(rollout);
  return [...rollout.devices.keys()].filter((at) => numbers[at] === numbers[position]);
}

const has = (flags: number, name: keyof typeof CELL_FLAGS): boolean =>
  (flags & CELL_FLAGS[name]) !== 0;

/** A pending attempt is offered: the page is as it was before. */
export function checkBegin(center: PureCenter, rollout: PureRollout, position: number): void {
  if (rollout.together.length === 0) return;
  const { page, devices } = rollout;
  const members = membersWith(rollout, position);
  const failed = members.find((at) => has(page.flags[at] ?? 0, "failed"));
  const who = `device ${devices[position]}`;
  if (rollout.isGoingBack(position)) {
    must("together", failed !== undefined, `${who} goes back, and none of its group has failed`);
    return;
  }
  must("together", failed === undefined, `${who} begins, and ${devices[failed ?? 0]} has failed`);
  const hasBegun = members.some(
    (at) => page.state[at] === ATTEMPT.offered || has(page.flags[at] ?? 0, "exposed"),
  );
  if (hasBegun) return;
  const missing = members.find((at) => {
    const presence = center.told[devices[at] ?? -1]?.presence;
    return page.state[at] === ATTEMPT.pending && presence !== "online";
  });
  must("together", missing === undefined, `${who} begins, and ${devices[missing ?? 0]} is away`);
}

/** After a tick of a rollout that runs: nobody of a failed group has it, or waits for it. */
export function checkFailedGroups(rollout: PureRollout): void {
  const { page, progress, together, devices, frame } = rollout;
  if (together.length === 0 || progress.state !== "running") return;
  const numbers = groupNumbers(rollout);
  const failed = new Set(numbers.filter((_, position) => has(page.flags[position] ?? 0, "failed")));
  devices.forEach((device, position) => {
    if (!failed.has(numbers[position] ?? -1) || rollout.isGoingBack(position)) return;
    const state = page.state[position] ?? 0;
    const what = `device ${device} of a group that failed is ${ATTEMPT_STATES[state]}`;
    must("together", state !== ATTEMPT.pending, what);
    const canGoBack = needsEvidence(frame.spec) && page.previous[position] !== UNKNOWN_RELEASE;
    must("together", state !== ATTEMPT.succeeded || !canGoBack, what);
  });
}
