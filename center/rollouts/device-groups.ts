// SPDX-License-Identifier: Apache-2.0
/** Groups of an open rollout whose devices move together: may something be offered to one? */
import { judgeGroup, type GroupVerdict } from "../../domain/groups.ts";
import type { FleetTable } from "../state/fleet-table.ts";
import type { OpenRollout } from "./open-rollout.ts";

type Fleet = Pick<FleetTable, "reachableThrough" | "hasGreeted" | "understands">;

/** Of a position that is pending. */
export function groupVerdictAt(rollout: OpenRollout, position: number, fleet: Fleet): GroupVerdict {
  if (rollout.record.spec.together === "") return { kind: "offer" };
  const cells = {
    positionCount: rollout.ordinals.length,
    isTogether: (at: number) => rollout.isTogether(at),
    stateOf: (at: number) => rollout.stateAt(at),
    flagsOf: (at: number) => {
      const { page, index } = rollout.cell(at);
      return page.flags[index] ?? 0;
    },
  };
  return judgeGroup(cells, position, (member) => isReachable(rollout, member, fleet));
}

function isReachable(rollout: OpenRollout, position: number, fleet: Fleet): boolean {
  const ordinal = rollout.ordinalAt(position);
  const isThere = fleet.reachableThrough(ordinal) !== 0 && fleet.hasGreeted(ordinal);
  return isThere && !waitsForWindow(rollout, position, fleet);
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
