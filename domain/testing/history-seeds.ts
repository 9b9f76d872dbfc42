// SPDX-License-Identifier: Apache-2.0
/** Seeds of histories that failed once, each with what it found. They are told first, for ever. */
export const SEEDS_THAT_FAILED: readonly { readonly seed: number; readonly found: string }[] = [
  { seed: 20_261_196, found: "an offer that expired unanswered was never leased again" },
  { seed: 20_262_499, found: "rolled-back was said of devices that were never reached" },
  { seed: 20_263_011, found: "rolled-back was said of devices that were never reached" },
  {
    seed: 20_271_239,
    found: "a device whose group failed was taken up while it was still at work",
  },
  { seed: 20_276_789, found: "a device that was given up went back without a place at its site" },
];
