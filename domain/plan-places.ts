// SPDX-License-Identifier: Apache-2.0
/**
 * What a plan in the making knows of its devices by position: names that many share (sites,
 * regions) as an index, and the ids of all.
 */
import { assert } from "./assert.ts";
import { NumberColumn } from "./number-column.ts";
import type { PackedTexts } from "./packed-texts.ts";

export interface PlacedNames {
  /** Each once. */
  readonly names: readonly string[];
  /** Index into `names`. */
  readonly byPosition: Uint32Array;
}

/** In the making: by index of adding. */
export class NameColumn {
  private readonly names: string[] = [];
  private readonly indexes = new Map<string, number>();
  private readonly column = new NumberColumn(Uint32Array);

  push(name: string): void {
    let index = this.indexes.get(name);
    if (index === undefined) {
      index = this.names.push(name) - 1;
      this.indexes.set(name, index);
    }
    this.column.push(index);
  }

  /** "" beyond its end. */
  at(index: number): string {
    return this.names[this.column.at(index)] ?? "";
  }

  inOrder(order: Uint32Array): PlacedNames {
    return { names: this.names, byPosition: this.column.inOrder(order) };
  }
}

/** The name at a position; "" beyond the end. */
export function placedName({ names, byPosition }: PlacedNames, position: number): string {
  return names[byPosition[position] ?? names.length] ?? "";
}

/** Device ids by position. */
export class PlacedIds {
  private readonly ids: PackedTexts;
  private readonly order: Uint32Array;

  constructor(ids: PackedTexts, order: Uint32Array) {
    this.ids = ids;
    this.order = order;
  }

  get length(): number {
    return this.order.length;
  }

  at(position: number): string {
    return this.ids.at(this.indexAt(position));
  }

  /** A view of its bytes, which are ASCII. */
  bytesAt(position: number): Uint8Array {
    return this.ids.bytesAt(this.indexAt(position));
  }

  slice(start = 0, end: number = this.length): string[] {
    return Array.from(this.order.subarray(start, end), (index) => this.ids.at(index));
  }

  private indexAt(position: number): number {
    const index = this.order[position];
    assert(index !== undefined, "a position lies in the plan");
    return index;
  }
}
