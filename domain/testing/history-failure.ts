// SPDX-License-Identifier: Apache-2.0
/** What a history found: its seed, the event at which it broke, and what was broken. */
import { BrokenInvariant } from "./invariants.ts";

export class HistoryFailure extends Error {
  readonly seed: number;
  /** The how-manieth event, and what it was. */
  readonly event: { readonly number: number; readonly kind: string };
  /** `assertion`: the product's own assertion fired. */
  readonly invariant: string;

  constructor(options: {
    seed: number;
    event: { readonly number: number; readonly kind: string };
    cause: unknown;
  }) {
    const { seed, event, cause } = options;
    const what = cause instanceof Error ? cause.message : String(cause);
    super(`seed ${seed}, event ${event.number} (${event.kind}): ${what}`, { cause });
    this.seed = seed;
    this.event = event;
    this.invariant = cause instanceof BrokenInvariant ? cause.invariant : "assertion";
  }
}
