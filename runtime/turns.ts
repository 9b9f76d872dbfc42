// SPDX-License-Identifier: Apache-2.0
/**
 * A bounded number of works at once; the others wait for their turn, in the order they came. Who
 * does not want to wait any longer is still called: its work ends at once by its own signal.
 */

export class Turns {
  private free: number;
  private readonly waiting: (() => void)[] = [];

  constructor(count: number) {
    this.free = count;
  }

  /** Answers what the work answers, or throws what it throws; it begins when it is its turn. */
  async take<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.free > 0) this.free--;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next === undefined) this.free++;
      else next();
    }
  }
}
