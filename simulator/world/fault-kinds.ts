// SPDX-License-Identifier: Apache-2.0
/** What can go wrong in a simulated world, by kind; each may be left out. */

export const FAULT_KINDS = {
  cuts: "wires are cut and what is on them is lost: a device's, or of a gateway and the center",
  delays: "single messages take seconds, so streams overtake one another",
  duplicates: "PUBLISH packets arrive twice",
  crashes: "a center, gateway or device dies at a named point or at a change of its disk",
  disks: "a disk is full, or its fsync fails, for a while",
  clocks: "a device's or gateway's wall clock is wrong, for a while",
} as const;

export type FaultKind = keyof typeof FAULT_KINDS;

export const ALL_FAULTS: readonly FaultKind[] = Object.keys(FAULT_KINDS) as FaultKind[];

/** How many of each kind came to pass. */
export type FaultCounts = { readonly [kind in FaultKind]: number };
