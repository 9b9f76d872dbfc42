// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { EXCHANGE_LIFETIME_MS, ExchangeCache } from "./exchange-cache.ts";

const PLACE = { address: "192.0.2.1", port: 40_000 };

describe("exchange cache", () => {
  test("keeps the answer to a message for its lifetime", () => {
    const cache = new ExchangeCache({ seed: 1, capacity: 16 });
    const answer = Buffer.from("short");
    cache.store(PLACE, 7, answer, 0);
    assert.deepEqual(cache.find(PLACE, 7, EXCHANGE_LIFETIME_MS - 1), answer);
    assert.equal(cache.find(PLACE, 7, EXCHANGE_LIFETIME_MS), null);
    assert.equal(cache.find(PLACE, 8, 0), null);
    assert.equal(cache.find({ ...PLACE, port: 40_001 }, 7, 0), null);
  });

  test("keeps long answers too, and the last one that was given", () => {
    const cache = new ExchangeCache({ seed: 1, capacity: 16 });
    const long = Buffer.alloc(1_200, "x");
    cache.store(PLACE, 7, long, 0);
    assert.deepEqual(cache.find(PLACE, 7, 0), long);
    cache.store(PLACE, 7, Buffer.from("new"), 1);
    assert.deepEqual(cache.find(PLACE, 7, 1), Buffer.from("new"));
  });

  test("forgets the oldest first", () => {
    const cache = new ExchangeCache({ seed: 1, capacity: 8 });
    for (let id = 0; id < 9; id += 1) cache.store(PLACE, id, Buffer.of(id), id);
    assert.equal(cache.find(PLACE, 0, 9), null);
    for (let id = 1; id < 9; id += 1) {
      assert.deepEqual(cache.find(PLACE, id, 9), Buffer.of(id));
    }
  });

  test("holds most of what came last, from however many places", () => {
    const capacity = 4_096;
    const cache = new ExchangeCache({ seed: 99, capacity });
    const count = 40_000;
    for (let id = 0; id < count; id += 1) {
      const place = { address: `10.0.${id & 0xff}.1`, port: 1_024 + (id >> 8) };
      cache.store(place, id & 0xffff, Buffer.of(1), id);
    }
    let found = 0;
    for (let id = count - capacity / 2; id < count; id += 1) {
      const place = { address: `10.0.${id & 0xff}.1`, port: 1_024 + (id >> 8) };
      if (cache.find(place, id & 0xffff, count) !== null) found += 1;
    }
    assert.ok(found > (capacity / 2) * 0.9, `${found} of ${capacity / 2}`);
  });

  test("holds 8 MiB of long answers and no more", () => {
    const cache = new ExchangeCache({ seed: 1, capacity: 16_384 });
    const long = Buffer.alloc(1_024);
    for (let id = 0; id < 8_193; id += 1) cache.store(PLACE, id, long, id);
    assert.equal(cache.find(PLACE, 0, 8_193), null);
    assert.deepEqual(cache.find(PLACE, 8_192, 8_193), long);
  });
});
