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
    const { spec, progress } = rollout.record;
    const left = mayLeave(spec.leavers, progress.state) ? item.ordinals : [];
    const gone = [
      ["the selector names them no more", each(left, rollout, (at) => rollout.withdraw(at))],
      ["they were retired", each(item.retired, rollout, (at) => rollout.retire(at))],
    ] as const;
    for (const [reason, ordinals] of gone) note(rollout, reason, ordinals, commit);
  }
}

/** Those for whom it changed something. */
function each(
  ordinals: readonly number[],
  rollout: OpenRollout,
  change: (position: number) => boolean,
): number[] {
  return ordinals.filter((ordinal) => {
    const position = rollout.positionOf(ordinal);
    return position >= 0 && change(position);
  });
}

function note(
  { record, key }: OpenRollout,
  reason: string,
  ordinals: readonly number[],
  commit: Pick<CycleCommit, "audit">,
): void {
  if (ordinals.length === 0) return;
  commit.audit({
    tenant: record.tenant,
    actor: "system:leaver-watch",
    action: "rollout.withdraw",
    subject: `rollout/${key}`,
    reason,
    detail: {
      number: record.number,
      deviceCount: ordinals.length,
      firstOrdinal: ordinals[0] ?? 0,
    },
  });
}
