// SPDX-License-Identifier: Apache-2.0
/**
 * How a rollout grows. Who is next is fixed by the plan's order in every strategy; a strategy says
 * how far down that order the rollout is at which moment.
 *
 * - `fixed`: the waves that the spec lists.
 * - `exponential`: the planner cuts the waves (`waves.ts`): `first`, `first × factor`, … devices
 *   each, up to `cap`.
 * - `adaptive`: the number in flight grows while attempts succeed and halves when they fail
 *   (`adaptive-window.ts`); the waves are those of the spec, or a single one.
 */
import { limitOf, type Amount } from "./units.ts";

export interface ExponentialStrategy {
  readonly kind: "exponential";
  readonly first: Amount;
  /** Each wave is so many times as large as the one before; at least 1. */
  readonly factor: number;
  readonly cap: Amount;
}

export interface AdaptiveStrategy {
  readonly kind: "adaptive";
  /** In flight at the start. */
  readonly first: Amount;
  /** Failures bring it down to here and no further: the gate stops a rollout, not its pace. */
  readonly min: Amount;
  readonly max: Amount;
}

export type Strategy = { readonly kind: "fixed" } | ExponentialStrategy | AdaptiveStrategy;

export const DEFAULT_EXPONENTIAL: ExponentialStrategy = {
  kind: "exponential",
  first: { count: 10 },
  factor: 2,
  cap: { percent: 10 },
};

export const DEFAULT_ADAPTIVE: AdaptiveStrategy = {
  kind: "adaptive",
  first: { count: 10 },
  min: { count: 1 },
  max: { percent: 10 },
};

/** The bounds of an adaptive rollout's window, in devices: 1 ≤ min ≤ first ≤ max. */
export interface WindowLimits {
  readonly first: number;
  readonly min: number;
  readonly max: number;
}

/** null when the strategy has no window. `maxInFlight`: the frozen limit that it stays within. */
export function freezeWindow(
  strategy: Strategy,
  total: number,
  maxInFlight: number,
): WindowLimits | null {
  if (strategy.kind !== "adaptive") return null;
  const within = (amount: Amount, low: number, high: number): number =>
    Math.max(low, Math.min(limitOf(amount, total), high));
  const max = within(strategy.max, 1, Math.max(maxInFlight, 1));
  const first = within(strategy.first, 1, max);
  return { max, first, min: within(strategy.min, 1, first) };
}
