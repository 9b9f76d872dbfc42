// SPDX-License-Identifier: Apache-2.0
import { PAGE_TICK_MS } from "../../domain/attempt-page.ts";
import type { OpenRollout } from "./open-rollout.ts";

/** For how long the attempt has been in its state, ms of the rollout's clock. */
export function enteredMsAgo(rollout: OpenRollout, position: number): number {
  const { page, index } = rollout.cell(position);
  return (rollout.nowTicks - (page.enteredAt[index] ?? 0)) * PAGE_TICK_MS;
}
