// SPDX-License-Identifier: Apache-2.0
/** Seeds of histories that failed once, each with what it found. They are told first, for ever. */
export const SEEDS_THAT_FAILED: readonly { readonly seed: number; readonly found: string }[] = [];
