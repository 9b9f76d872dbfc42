// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { hashOf, SlotIndex } from "./slot-index.ts";

/** Keys by slot, as whoever keeps the slots has them. */
class Kept {
  readonly index = new SlotIndex();
  readonly keys: number[] = [];
  readonly #hash: (key: number) => number;

  constructor(hash: (key: number) => number) {
    this.#hash = hash;
  }

  find(key: number): number {
    return this.index.find(this.#hash(key), (slot) => this.keys[slot] === key);
  }

  set(key: number, slot: number): void {
    const isIt = (other: number): boolean => this.keys[other] === key;
    this.index.set(this.#hash(key), slot, isIt);
    this.keys[slot] = key;
  }

  delete(slot: number): void {
    this.index.delete(this.#hash(this.keys[slot] ?? 0), slot);
  }
}

const HASHES: { readonly [name: string]: (key: number) => number } = {
  "each its own": (key) => key,
  "few for all": (key) => key % 5,
};

for (const [name, hash] of Object.entries(HASHES)) {
  test(`agrees with a Map through additions and removals; hashes: ${name}`, () => {
    const kept = new Kept(hash);
    const map = new Map<number, number>();
    let seed = 7;
    const draw = (below: number): number => {
      seed = (seed * 48_271) % 0x7fff_ffff;
      return seed % below;
    };
    for (let slot = 0; slot < 4_000; slot += 1) {
      const key = draw(500);
      const before = map.get(key);
      if (before !== undefined && draw(2) === 0) {
        kept.delete(before);
        map.delete(key);
      } else {
        kept.set(key, slot);
        map.set(key, slot);
      }
      const asked = draw(500);
      assert.equal(kept.find(asked), map.get(asked) ?? -1);
      assert.equal(kept.index.count, map.size);
    }
    for (let key = 0; key < 500; key += 1) assert.equal(kept.find(key), map.get(key) ?? -1);
  });
}

test("what is not there is not removed", () => {
  const kept = new Kept((key) => key);
  kept.set(1, 0);
  kept.index.delete(1, 5);
  kept.index.delete(2, 0);
  assert.equal(kept.find(1), 0);
});

test("a text's hash depends on the seed", () => {
  assert.notEqual(hashOf("default/pump-1", 1), hashOf("default/pump-1", 2));
  assert.equal(hashOf("default/pump-1", 1), hashOf("default/pump-1", 1));
});
