// SPDX-License-Identifier: Apache-2.0
/** What rollouts of histories change on a device: two kinds of software; commands leave nothing. */

export const SLOTS = ["app", "os", "command"] as const;
export type SlotName = (typeof SLOTS)[number];
