// SPDX-License-Identifier: Apache-2.0
/**
 * Devices of a plan that its selector names no more, or that were retired since. The plan stays as
 * it was frozen; their attempts end as `cancelled`, which is neutral, and for good.
 */

/** `withdraw`: who was not offered anything yet is not offered any more. */
export const LEAVE_POLICIES = ["keep", "withdraw"] as const;
export type LeavePolicy = (typeof LEAVE_POLICIES)[number];

/** In these states of a rollout there is still somebody to withdraw. */
export function mayLeave(policy: LeavePolicy, state: string): boolean {
  return policy === "withdraw" && (state === "running" || state === "paused");
}
