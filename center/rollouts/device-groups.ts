// SPDX-License-Identifier: Apache-2.0
/** Groups of an open rollout whose devices move together: may something be offered to one, and what
 * becomes of them when one has failed? */
import { ATTEMPT } from "../../domain/attempt.ts";
import { dutyOf, judgeGroup, type GroupVerdict } from "../../domain/groups.ts";
import type { FleetTable } from "../state/fleet-table.ts";
import type { OpenRollout } from "./open-rollout.ts";

type Fleet = Pick<FleetTable, "reachableThrough" | "hasGreeted" | "understands">;

const ON_ITS_OWN: GroupVerdict = { kind: "offer" };

/** Of a position that is pending. */
export function groupVerdictAt(rollout: OpenRollout, position: number, fleet: Fleet): GroupVerdict {
  if (rollout.record.spec.together === "") return ON_ITS_OWN;
  const cells = {
    positionCount: rollout.ordinals.length,
    isTogether: (at: number) => rollout.isTogether(at),
    stateOf: (at: number) => rollout.stateAt(at),
    flagsOf: (at: number) => rollout.flagsAt(at),
  };
  return judgeGroup(cells, position, (member) => isReachable(rollout, member, fleet));
}

function isReachable(rollout: OpenRollout, position: number, fleet: Fleet): boolean {
  const ordinal = rollout.ordinalAt(position);
  const isThere = fleet.reachableThrough(ordinal) !== 0 && fleet.hasGreeted(ordinal);
  return isThere && !waitsForWindow(rollout, position, fleet);
}

/** What is known of a device whose group has failed, by position. */
export interface GroupView {
  readonly isReachable: (position: number) => boolean;
  /** It shows the release, well or not. */
  readonly runsRelease: (position: number) => boolean;
}

/**
 * Keeps back whom nothing was offered, and sends back who took the release, in every group of which
 * one has failed; answers the ordinals of those who go back from now on. `still`: only who has not
 * begun, or has succeeded.
 */
export function settleFailedGroups(
  rollout: OpenRollout,
  view: GroupView,
  whom: "still" | "all",
): number[] {
  const { spec, progress } = rollout.record;
  if (spec.together === "" || progress.state !== "running") return [];
  const goingBack: number[] = [];
  for (const { start, end } of rollout.failedGroups()) {
    for (let position = start; position < end; position++) {
      const state = rollout.stateAt(position);
      const isStill = state === ATTEMPT.pending || state === ATTEMPT.succeeded;
      if (whom === "still" && !isStill) continue;
      const duty = dutyOf(state, rollout.flagsAt(position), () => ({
        canGoBack: rollout.canGoBack(position),
        isReachable: view.isReachable(position),
        runsRelease: view.runsRelease(position),
      }));
      if (duty === "keep-back") rollout.keepBack(position);
      if (duty !== "go-back") continue;
      rollout.beginWayBack(position);
      goingBack.push(rollout.ordinalAt(position));
    }
  }
  return goingBack;
}

/** A device that keeps windows by itself is offered at any time; others only while one is open. */
export function waitsForWindow(
  rollout: OpenRollout,
  position: number,
  fleet: Pick<Fleet, "understands">,
): boolean {
  if (!rollout.isWindowClosed(position, "install")) return false;
  return !fleet.understands(rollout.ordinalAt(position), "windows");
}
