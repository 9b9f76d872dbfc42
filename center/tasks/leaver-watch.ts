// SPDX-License-Identifier: Apache-2.0
/**
 * Looks for devices that left open rollouts: their labels were changed before they were offered
 * anything, or they were retired, however far they had come.
 */
import { isTerminal } from "../../domain/attempt.ts";
import { isUnproven } from "../../domain/attempt-counts.ts";
import { mayLeave } from "../../domain/membership.ts";
import { isOpen } from "../../domain/rollout.ts";
import { factsOf } from "../devices/device-record.ts";
import type { OpenRollout } from "../rollouts/open-rollout.ts";
import { BATCH, SelectionWatch, type Followed } from "./selection-watch.ts";

export class LeaverWatch extends SelectionWatch {
  protected readonly what = "devices that left a rollout";

  protected concerns({ record }: OpenRollout): boolean {
    return isOpen(record.progress.state);
  }

  protected async lookAt(
    rollout: OpenRollout,
    followed: Followed,
    changed: readonly number[],
    signal: AbortSignal,
  ): Promise<void> {
    const { spec, progress, number } = rollout.record;
    const mayWithdraw = mayLeave(spec.leavers, progress.state);
    const looked = [...changed, ...nextBatch(rollout, followed)];
    const atStake = [...new Set(looked)].filter((ordinal) => isAtStake(rollout, ordinal));
    const ordinals: number[] = [];
    const retired: number[] = [];
    for (let start = 0; start < atStake.length; start += BATCH) {
      const batch = atStake.slice(start, start + BATCH);
      for (const device of await this.store.getDevicesByOrdinal(batch, { signal })) {
        if (device === null) continue;
        const facts = factsOf(device);
        if (facts.retired) retired.push(device.ordinal);
        else if (mayWithdraw && !followed.selects(facts)) ordinals.push(device.ordinal);
      }
    }
    if (ordinals.length + retired.length === 0) return;
    this.inbox.put({ kind: "leavers", rollout: number, ordinals, retired });
  }
}

/** Something is still to come of its attempt, or it is unproven. */
function isAtStake(rollout: OpenRollout, ordinal: number): boolean {
  const position = rollout.positionOf(ordinal);
  if (position < 0) return false;
  const state = rollout.stateAt(position);
  return !isTerminal(state) || isUnproven(state, rollout.flagsAt(position));
}

/** In the order of the plan. */
function nextBatch(rollout: OpenRollout, followed: Followed): Uint32Array {
  const from = followed.nextOfAll;
  const batch = rollout.ordinals.subarray(from, from + BATCH);
  followed.nextOfAll = batch.length < BATCH ? Number.POSITIVE_INFINITY : from + BATCH;
  return batch;
}
