// SPDX-License-Identifier: Apache-2.0
/**
 * How pretend devices behave, and who gets which behaviour. Shares are exact, not drawn: of 1,000
 * devices with `crashing=3` thirty crash, on every machine, so that a test can count.
 */
import assert from "node:assert/strict";
import { MusterError } from "../../domain/errors.ts";
import { hash53 } from "../../domain/hash.ts";

/**
 * | behaviour | what it does |
 * | --- | --- |
 * | good | installs what it is offered |
 * | slow | the same, ten times slower |
 * | flaky | drops its connection now and then and comes back with back-off |
 * | crashing | reboots while it installs, comes back on what it ran, says rolled-back |
 * | silent | says nothing more after it accepted (or began to install); its socket stays open |
 * | lying | says installed; its evidence stays what it was |
 * | offline | never connects, or leaves after its hello |
 * | bad-hardware | is of revision rev-b, on which some releases fail their health check |
 * | hesitant | looks at an offer for a minute before it accepts |
 */
export const BEHAVIOURS = [
  "good",
  "slow",
  "flaky",
  "crashing",
  "silent",
  "lying",
  "offline",
  "bad-hardware",
  "hesitant",
] as const;
export type Behaviour = (typeof BEHAVIOURS)[number];

/** Shares relative to each other; what is left out is 0. */
export type BehaviourWeights = { readonly [behaviour in Behaviour]?: number };

export const DEFAULT_BEHAVIOURS = "good=90,slow=5,flaky=5";

/** A pretend device before it lives. */
export interface SwarmDeviceSpec {
  readonly id: string;
  readonly behaviour: Behaviour;
}

/** Reads `good=90,slow=5`; throws `invalid_argument`. */
export function parseBehaviours(text: string, field: string): BehaviourWeights {
  const weights: { [behaviour in Behaviour]?: number } = {};
  for (const part of text.split(",")) {
    const match = /^\s*([a-z-]+)\s*=\s*(\d{1,6}(?:\.\d{1,6})?)\s*$/.exec(part);
    const behaviour = BEHAVIOURS.find((known) => known === match?.[1]);
    if (behaviour === undefined) {
      throw new MusterError({
        code: "invalid_argument",
        message: `${JSON.stringify(part.slice(0, 100))} is not behaviour=share`,
        detail: { field, hint: `behaviours are ${BEHAVIOURS.join(", ")}; shares are numbers` },
      });
    }
    weights[behaviour] = Number(match?.[2]);
  }
  if (totalOf(weights) > 0) return weights;
  throw new MusterError({
    code: "invalid_argument",
    message: "every behaviour has share 0",
    detail: { field, hint: "for example good=90,slow=10" },
  });
}

/** Gives every device a behaviour: the same seed, ids and weights deal the same. */
export function dealBehaviours(options: {
  ids: readonly string[];
  weights: BehaviourWeights;
  seed: string;
}): readonly SwarmDeviceSpec[] {
  const { ids, weights, seed } = options;
  assert(totalOf(weights) > 0, "somebody behaves somehow");
  const shares = sharesOf(weights, ids.length);
  const hand = BEHAVIOURS.flatMap((behaviour, index) =>
    Array.from({ length: shares[index] ?? 0 }, () => behaviour),
  );
  const drawn = ids.map((id) => hash53(`deal ${seed}`, id));
  const order = ids
    .map((_id, index) => index)
    .sort((left, right) => (drawn[left] ?? 0) - (drawn[right] ?? 0) || left - right);
  const behaviours: Behaviour[] = [];
  order.forEach((device, place) => {
    behaviours[device] = hand[place] ?? "good";
  });
  return ids.map((id, index) => ({ id, behaviour: behaviours[index] ?? "good" }));
}

/** Whole devices by largest remainder; the sum is `deviceCount`. */
function sharesOf(weights: BehaviourWeights, deviceCount: number): readonly number[] {
  const total = totalOf(weights);
  const exact = BEHAVIOURS.map((behaviour) => ((weights[behaviour] ?? 0) / total) * deviceCount);
  const shares = exact.map(Math.floor);
  const left = deviceCount - shares.reduce((sum, share) => sum + share, 0);
  const byRemainder = exact
    .map((share, index) => ({ index, remainder: share - Math.floor(share) }))
    .sort((one, other) => other.remainder - one.remainder || one.index - other.index);
  for (const { index } of byRemainder.slice(0, left)) shares[index] = (shares[index] ?? 0) + 1;
  return shares;
}

function totalOf(weights: BehaviourWeights): number {
  return BEHAVIOURS.reduce((sum, behaviour) => sum + (weights[behaviour] ?? 0), 0);
}
