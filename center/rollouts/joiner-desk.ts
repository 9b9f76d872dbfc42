// SPDX-License-Identifier: Apache-2.0
/** Takes devices that join into open rollouts, inside a cycle of the loop; twice does nothing. */
import { waveOfJoiners } from "../../domain/membership.ts";
import { NO_SLICE } from "../../domain/slices.ts";
import type { CycleCommit } from "./cycle-commit.ts";
import type { InboxItem, JoinersItem } from "./loop-inbox.ts";
import type { OpenRollout } from "./open-rollout.ts";

type Audit = Pick<CycleCommit, "audit">;

export function takeJoiners(
  items: readonly InboxItem[],
  open: ReadonlyMap<number, OpenRollout>,
  commit: Audit,
): void {
  for (const item of items) {
    if (item.kind !== "joiners") continue;
    const rollout = open.get(item.rollout);
    if (rollout === undefined) continue;
    for (const isLast of [false, true]) join(rollout, item, isLast, commit);
    keepOut(rollout, item, commit);
  }
}

/** Critical devices come last, as in the plan. */
function join(rollout: OpenRollout, item: JoinersItem, isLast: boolean, commit: Audit): void {
  const { spec, progress } = rollout.record;
  const wave = waveOfJoiners(spec.joiners, progress, rollout.frame.waveTotal, isLast);
  const joiners = item.joiners.filter(
    (joiner) => joiner.isLast === isLast && rollout.positionOf(joiner.ordinal) < 0,
  );
  if (wave === null || joiners.length === 0) return;
  rollout.join(joiners, wave);
  const unsliced = joiners.filter(({ slices }) => slices.includes(NO_SLICE));
  record(rollout, "join", "the selector names them since the plan was frozen", commit, {
    deviceCount: joiners.length,
    firstOrdinal: joiners[0]?.ordinal ?? 0,
    wave: wave + 1,
    // Of no slice that the plan has, by some fact: they count in the whole alone.
    unslicedCount: unsliced.length,
  });
}

function keepOut(rollout: OpenRollout, { strangers }: JoinersItem, commit: Audit): void {
  if (strangers.length === 0) return;
  const why = "the plan has windows, and none in their time zone; plan again to reach them";
  record(rollout, "keep-out", why, commit, {
    deviceCount: strangers.length,
    firstOrdinal: strangers[0] ?? 0,
  });
}

function record(
  rollout: OpenRollout,
  verb: string,
  reason: string,
  commit: Audit,
  detail: { [name: string]: number },
): void {
  const { tenant, number } = rollout.record;
  commit.audit({
    tenant,
    actor: "system:joiner-watch",
    action: `rollout.${verb}`,
    subject: `rollout/${rollout.key}`,
    reason,
    detail: { number, ...detail },
  });
}
