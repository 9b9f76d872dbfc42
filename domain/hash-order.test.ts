// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { orderByPlace } from "./hash-order.ts";

test("those of the last go behind the others, each by place and then by index", () => {
  const place = fc.oneof(fc.nat({ max: 3 }), fc.integer({ min: 0, max: 2 ** 53 - 1 }));
  const devices = fc.array(fc.tuple(place, fc.constantFrom(0, 1)), { maxLength: 300 });
  fc.assert(
    fc.property(devices, (given) => {
      const of = (index: number): [number, number] => given[index] ?? [0, 0];
      const order = orderByPlace(
        given.length,
        (index) => of(index)[0],
        (index) => of(index)[1],
      );
      const expected = given
        .map((_, index) => index)
        .sort((a, b) => of(a)[1] - of(b)[1] || of(a)[0] - of(b)[0] || a - b);
      assert.deepEqual([...order], expected);
    }),
    { numRuns: 200 },
  );
});
