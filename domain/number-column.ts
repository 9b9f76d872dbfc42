// SPDX-License-Identifier: Apache-2.0
/** A column of numbers that grows at its end: packed, where an array takes 8 bytes a number. */

type Packed = Uint8Array | Uint16Array | Uint32Array | Float64Array;

const FIRST_LENGTH = 256;
/** Half as long again: of a million numbers less than a third of the room is ever unused. */
const GROWTH = 1.5;

export class NumberColumn<Kind extends Packed> {
  private readonly kind: new (length: number) => Kind;
  private held: Kind;
  private count = 0;

  constructor(kind: new (length: number) => Kind) {
    this.kind = kind;
    this.held = new kind(FIRST_LENGTH);
  }

  push(value: number): void {
    if (this.count === this.held.length) {
      const longer = new this.kind(Math.ceil(this.held.length * GROWTH));
      longer.set(this.held);
      this.held = longer;
    }
    this.held[this.count++] = value;
  }

  get length(): number {
    return this.count;
  }

  /** 0 beyond its end. */
  at(index: number): number {
    return this.held[index] ?? 0;
  }

  /** By position: the number at the index that `order` has there. */
  inOrder(order: Uint32Array): Kind {
    const placed = new this.kind(order.length);
    order.forEach((index, position) => {
      placed[position] = this.at(index);
    });
    return placed;
  }
}
