// SPDX-License-Identifier: Apache-2.0
/**
 * Which devices were changed since this center started, for whoever looks at them now and then: in
 * order, bounded. Whoever has fallen behind the bound looks at everything instead.
 */

/** Ten times what is registered at once; 800 KB. */
const MAX_CHANGES = 100_000;

export class DeviceChanges {
  private ordinals: number[] = [];
  /** Changes that were forgotten. */
  private first = 0;

  note(ordinals: readonly number[]): void {
    for (const ordinal of ordinals) this.ordinals.push(ordinal);
    const excess = this.ordinals.length - MAX_CHANGES;
    if (excess <= 0) return;
    this.ordinals = this.ordinals.slice(excess);
    this.first += excess;
  }

  get end(): number {
    return this.first + this.ordinals.length;
  }

  /** From the `from`-th on, at most `limit`; null when some of them are forgotten. */
  since(from: number, limit: number): readonly number[] | null {
    if (from < this.first) return null;
    return this.ordinals.slice(from - this.first, from - this.first + limit);
  }
}
