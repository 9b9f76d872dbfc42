// SPDX-License-Identifier: Apache-2.0
/**
 * What a device really switched to, in order: written where the switch happens and nowhere else, so
 * that it can contradict what the device reports. Nothing reads it to decide anything.
 */
import type { Slot } from "../../protocol/device/status.ts";

export interface Activation {
  /** `restore`: back to what ran before the attempt of that generation. */
  readonly kind: "activate" | "restore";
  readonly slot: Slot;
  /** What runs from now on; "" = nothing. */
  readonly digest: string;
  readonly generation: number;
  readonly rollout: number;
}

/** The newest are kept; the journal has all. More than the rollouts of any test or demo. */
const MAX_ACTIVATIONS = 256;

export class ActivationLedger {
  readonly #activations: Activation[] = [];
  /** Newest generation that was activated, by slot. */
  readonly #newest = new Map<Slot, number>();
  #doubleCount = 0;

  add(activation: Activation): void {
    this.#activations.push(activation);
    if (this.#activations.length > MAX_ACTIVATIONS) this.#activations.shift();
    if (activation.kind === "restore") return;
    const { slot, generation } = activation;
    if (generation <= (this.#newest.get(slot) ?? 0)) this.#doubleCount += 1;
    this.#newest.set(slot, Math.max(generation, this.#newest.get(slot) ?? 0));
  }

  /** Oldest first. */
  get activations(): readonly Activation[] {
    return this.#activations;
  }

  /** Activations of a generation that was activated before, or is older than one that was. */
  get doubleCount(): number {
    return this.#doubleCount;
  }
}
