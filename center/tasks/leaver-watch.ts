// SPDX-License-Identifier: Apache-2.0
/**
 * Looks for devices that left open rollouts before they were offered anything: their labels were
 * changed, or they were retired.
 */
import { ATTEMPT } from "../../domain/attempt.ts";
import { mayLeave } from "../../domain/membership.ts";
import { factsOf } from "../devices/device-record.ts";
import type { OpenRollout } from "../rollouts/open-rollout.ts";
import { BATCH, SelectionWatch, type Followed } from "./selection-watch.ts";

export class LeaverWatch extends SelectionWatch {
  protected readonly what = "devices that left a rollout";

  protected concerns({ record }: OpenRollout): boolean {
    return mayLeave(record.spec.leavers, record.progress.state);
  }

  protected async lookAt(
    rollout: OpenRollout,
    followed: Followed,
    changed: readonly number[],
    signal: AbortSignal,
  ): Promise<void> {
    const looked = [...changed, ...nextBatch(rollout, followed)];
    const waiting = [...new Set(looked)].filter((ordinal) => isWaiting(rollout, ordinal));
    const ordinals: number[] = [];
    for (let start = 0; start < waiting.length; start += BATCH) {
      const batch = waiting.slice(start, start + BATCH);
      for (const device of await this.store.getDevicesByOrdinal(batch, { signal })) {
        if (device === null) continue;
        const facts = factsOf(device);
        if (facts.retired || !followed.selects(facts)) ordinals.push(device.ordinal);
      }
    }
    if (ordinals.length === 0) return;
    this.inbox.put({ kind: "leavers", rollout: rollout.record.number, ordinals });
  }
}

function isWaiting(rollout: OpenRollout, ordinal: number): boolean {
  const position = rollout.positionOf(ordinal);
  return position >= 0 && rollout.stateAt(position) === ATTEMPT.pending;
}

/** In the order of the plan. */
function nextBatch(rollout: OpenRollout, followed: Followed): Uint32Array {
  const from = followed.nextOfAll;
  const batch = rollout.ordinals.subarray(from, from + BATCH);
  followed.nextOfAll = batch.length < BATCH ? Number.POSITIVE_INFINITY : from + BATCH;
  return batch;
}
