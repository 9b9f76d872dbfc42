// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Turns } from "./turns.ts";

/** Works that end when they are told to; `begun` in the order in which they began. */
class Works {
  readonly begun: number[] = [];
  readonly #ends: PromiseWithResolvers<number>[] = [];

  start(turns: Turns, number: number): Promise<number> {
    const end = (this.#ends[number] = Promise.withResolvers<number>());
    return turns.take(() => {
      this.begun.push(number);
      return end.promise;
    });
  }

  end(number: number): void {
    this.#ends[number]?.resolve(number);
  }

  fail(number: number): void {
    this.#ends[number]?.reject(new Error("failed"));
  }
}

describe("turns", () => {
  test("are two at once, and the others in the order in which they came", async () => {
    const turns = new Turns(2);
    const works = new Works();
    const done = [0, 1, 2, 3].map((number) => works.start(turns, number));
    assert.deepEqual(works.begun, [0, 1]);
    works.end(1);
    await done[1];
    await new Promise(setImmediate);
    assert.deepEqual(works.begun, [0, 1, 2]);
    works.end(0);
    await done[0];
    await new Promise(setImmediate);
    assert.deepEqual(works.begun, [0, 1, 2, 3]);
  });

  test("go on after one has failed, which only its own caller hears of", async () => {
    const turns = new Turns(1);
    const works = new Works();
    const first = works.start(turns, 0);
    const second = works.start(turns, 1);
    works.fail(0);
    await assert.rejects(first, /failed/);
    works.end(1);
    assert.equal(await second, 1);
  });
});
