// SPDX-License-Identifier: Apache-2.0
/** What the planner and selectors know of a device. */
export interface DeviceFacts {
  /** uint32, one space per installation, never reused. */
  readonly ordinal: number;
  readonly id: string;
  readonly region: string;
  readonly site: string;
  readonly labels: { readonly [name: string]: string };
  /** What the device reported of itself: hwRevision, os, arch, … */
  readonly inventory: { readonly [name: string]: string };
  readonly serviceLevel: string;
  readonly critical: boolean;
  readonly retired: boolean;
}
