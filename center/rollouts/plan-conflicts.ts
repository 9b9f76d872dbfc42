// SPDX-License-Identifier: Apache-2.0
/** What a plan has in common with rollouts that are open now: shown before the start. */
import { ATTEMPT, isTerminal, isUnderWay } from "../../domain/attempt.ts";
import { areRivals, winsOver, type Contender } from "../../domain/precedence.ts";
import { SAMPLE_SIZE, type Plan } from "../../domain/planner.ts";
import { isOpen } from "../../domain/rollout.ts";
import type { OpenRollout } from "./open-rollout.ts";
import { contenderOf } from "./rivals.ts";
import type { PlanConflict } from "./rollout-record.ts";

/**
 * By open rollout: devices that still have its slot before them, or, of another slot, that are at
 * work now.
 */
export function findConflicts(
  own: Contender,
  tenant: string,
  plan: Pick<Plan, "ordinals" | "deviceIds">,
  open: Iterable<OpenRollout>,
): PlanConflict[] {
  const conflicts: PlanConflict[] = [];
  for (const rollout of open) {
    const other = contenderOf(rollout);
    const { progress, name } = rollout.record;
    if (rollout.record.tenant !== tenant || !isOpen(progress.state)) continue;
    if (!areRivals(own, other)) continue;
    const isSameSlot = own.slot === other.slot;
    let deviceCount = 0;
    const sample: string[] = [];
    plan.ordinals.forEach((ordinal, index) => {
      const position = rollout.positionOf(ordinal);
      const state = position < 0 ? ATTEMPT.succeeded : rollout.stateAt(position);
      const isAtWork = state === ATTEMPT.offered || isUnderWay(state);
      if (isSameSlot ? isTerminal(state) : !isAtWork) return;
      deviceCount++;
      if (sample.length < SAMPLE_SIZE) sample.push(plan.deviceIds.at(index));
    });
    if (deviceCount === 0) continue;
    const winner = !isSameSlot ? "either" : winsOver(own, other) ? "this" : "other";
    conflicts.push({ rollout: name, slot: other.slot, deviceCount, sample, winner });
  }
  return conflicts;
}
