// SPDX-License-Identifier: Apache-2.0
/**
 * One direction of a wire: what is sent arrives after a delay, in order, or not at all: while the
 * wire is cut, and when either end is dead.
 */
import type { Life } from "./life.ts";

export class OneWay<Item> {
  private readonly from: Life;
  private readonly to: Life;
  private readonly delayMs: () => number;
  private readonly isCut: () => boolean;
  private readonly deliver: (item: Item) => void;
  private lastMs = 0;

  /** `isCut` is asked when something arrives; `deliver` runs in the life of the receiver. */
  constructor(options: {
    from: Life;
    to: Life;
    delayMs: () => number;
    isCut: () => boolean;
    deliver: (item: Item) => void;
  }) {
    this.from = options.from;
    this.to = options.to;
    this.delayMs = options.delayMs;
    this.isCut = options.isCut;
    this.deliver = options.deliver;
  }

  send(item: Item): void {
    if (!this.from.isAlive) return;
    const nowMs = this.to.monotonicMs();
    this.lastMs = Math.max(this.lastMs, nowMs + this.delayMs());
    this.to.setTimer(this.lastMs - nowMs, () => {
      if (!this.isCut()) this.deliver(item);
    });
  }
}
