// SPDX-License-Identifier: Apache-2.0
/** A plan lease as the gateway keeps it: columns, one row an entry (one attempt of one device). */

export const EntryState = {
  /** Not offered yet. */
  Waiting: 0,
  /** The offer left; the device may have it. */
  Sent: 1,
  /** The offer left and was stopped since; the device has not been told. */
  Withdrawing: 2,
  /** The withdrawal left; the device may have it. */
  Withdrawn: 3,
  /** The device has acknowledged the withdrawal: it will not accept the offer any more. */
  Confirmed: 4,
  /** Answered by a report, or given back. */
  Closed: 5,
} as const;
export type EntryState = (typeof EntryState)[keyof typeof EntryState];

/** What never changes after the lease came. */
export interface LeaseContent {
  readonly id: string;
  readonly rollout: number;
  readonly stopEpoch: number;
  readonly positions: readonly number[];
  readonly ordinals: readonly number[];
  readonly generations: readonly number[];
  /** Messages for `down/offer`, ready to send. */
  readonly offers: readonly Uint8Array[];
  /** `tenant/device`. */
  readonly devices: readonly string[];
}

export class Lease {
  readonly content: LeaseContent;
  readonly states: Uint8Array;
  /** Monotonic; comparable within one boot. */
  expiresAtMs: number;
  /** The center took it back: nothing of it is offered any more. */
  isRevoked = false;
  /**
   * Kept over a restart of this process, which does not remember what had been sent: each entry
   * may be offered again (the device knows the generation) and counts as sent.
   */
  isRestored = false;
  openCount: number;

  constructor(options: { content: LeaseContent; expiresAtMs: number }) {
    this.content = options.content;
    this.expiresAtMs = options.expiresAtMs;
    this.openCount = options.content.ordinals.length;
    this.states = new Uint8Array(this.openCount);
  }
}

/** One entry of a lease. */
export interface EntryRef {
  readonly lease: Lease;
  readonly index: number;
}

/** Entries of one lease that go back to the center. */
export interface ReturnedEntries {
  readonly leaseId: string;
  readonly rollout: number;
  readonly positions: number[];
  readonly generations: number[];
  /** The device may have the offer. */
  readonly sent: boolean[];
}
