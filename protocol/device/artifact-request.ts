// SPDX-License-Identifier: Apache-2.0
/** What a device says beside the path when it fetches an artifact from its gateway. */

/**
 * Number of the rollout that it fetches for: the gateway then keeps to the rollout's caps of the
 * bandwidth. Without it only the gateway's own caps hold.
 */
export const ROLLOUT_HEADER = "muster-rollout";
