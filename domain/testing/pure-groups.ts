// SPDX-License-Identifier: Apache-2.0
/** What becomes of groups that have failed in the pure center, as the rollout loop does it. */
import { ATTEMPT } from "../attempt.ts";
import { UNKNOWN_RELEASE } from "../attempt-page.ts";
import { dutyOf, type GroupDuty, type MemberSight } from "../groups.ts";
import { needsEvidence } from "../subject.ts";
import type { Told } from "./center-hooks.ts";
import type { PureRollout } from "./pure-rollout.ts";

interface Due {
  readonly position: number;
  readonly state: number;
  readonly duty: Exclude<GroupDuty, "none">;
}

/** `still`: before the engine looks, only of who has not begun, or has succeeded. */
export function* groupDuties(
  rollout: PureRollout,
  toldOf: (position: number) => Told,
  whom: "still" | "all",
): Generator<Due> {
  if (rollout.progress.state !== "running" || rollout.together.length === 0) return;
  const { page, slot, frame } = rollout;
  for (const { start, end } of rollout.failedGroups()) {
    for (let position = start; position < end; position++) {
      const state = page.state[position] ?? 0;
      const isStill = state === ATTEMPT.pending || state === ATTEMPT.succeeded;
      if (whom === "still" && !isStill) continue;
      const { presence, slots } = toldOf(position);
      const sight = (): MemberSight => ({
        canGoBack: needsEvidence(frame.spec) && page.previous[position] !== UNKNOWN_RELEASE,
        isReachable: presence === "online",
        runsRelease: slots[slot].release === rollout.targetAt(position),
      });
      const duty = dutyOf(state, page.flags[position] ?? 0, sight, rollout.isPlanted);
      if (duty !== "none") yield { position, state, duty };
    }
  }
}
