// SPDX-License-Identifier: Apache-2.0
/** Withdraws devices that left, inside a cycle of the loop; doing it twice does nothing. */
import { mayLeave } from "../../domain/membership.ts";
import type { CycleCommit } from "./cycle-commit.ts";
import type { InboxItem } from "./loop-inbox.ts";
import type { OpenRollout } from "./open-rollout.ts";

export function withdrawLeavers(
  items: readonly InboxItem[],
  open: ReadonlyMap<number, OpenRollout>,
  commit: Pick<CycleCommit, "audit">,
): void {
  for (const item of items) {
    if (item.kind !== "leavers") continue;
    const rollout = open.get(item.rollout);
    if (rollout === undefined) continue;
    const { spec, progress, tenant, number } = rollout.record;
    if (!mayLeave(spec.leavers, progress.state)) continue;
    const withdrawn = item.ordinals.filter((ordinal) => {
      const position = rollout.positionOf(ordinal);
      return position >= 0 && rollout.withdraw(position);
    });
    if (withdrawn.length === 0) continue;
    commit.audit({
      tenant,
      actor: "system:leaver-watch",
      action: "rollout.withdraw",
      subject: `rollout/${rollout.key}`,
      reason: "the selector names them no more, or they were retired",
      detail: { number, deviceCount: withdrawn.length, firstOrdinal: withdrawn[0] ?? 0 },
    });
  }
}
