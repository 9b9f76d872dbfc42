// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../test/helpers/virtual-clock.ts";
import type { DeviceLink } from "./sessions/device-link.ts";
import { sendAway } from "./send-away.ts";

/** Closes `count` connections, of which every seventh slot is free; when each was, ms. */
async function closesOf(count: number, abortAtMs = Infinity): Promise<number[]> {
  const clock = new VirtualClock();
  const startMs = clock.monotonicMs();
  const closedAtMs: number[] = [];
  const aborting = new AbortController();
  const slotCount = Math.ceil((count * 7) / 6);
  const isTaken = (slot: number): boolean => slot % 7 !== 6;
  const link = (): DeviceLink =>
    ({ close: () => closedAtMs.push(clock.monotonicMs() - startMs) }) as unknown as DeviceLink;
  let isDone = false;
  const away = sendAway({ slotCount, isTaken, link }, clock, aborting.signal);
  void away.finally(() => (isDone = true));
  for (let turn = 0; turn < 1_000; turn += 1) {
    await Promise.resolve().then(() => Promise.resolve());
    if (isDone) break;
    if (clock.monotonicMs() - startMs >= abortAtMs) aborting.abort();
    else clock.advance(10);
  }
  await away;
  return closedAtMs;
}

test("few connections are closed at a rate that one core takes in", async () => {
  const closes = await closesOf(60);
  assert.equal(closes.length, 60);
  assert.equal(closes.filter((atMs) => atMs === 0).length, 10);
  assert.equal(closes.at(-1), 100);
});

test("as many as there can be are closed within the window, evenly", async () => {
  const closes = await closesOf(18_000);
  assert.equal(closes.length, 18_000);
  const lastMs = closes.at(-1) ?? 0;
  assert.ok(lastMs > 7_000 && lastMs <= 8_000, `${lastMs} ms`);
  const half = closes.filter((atMs) => atMs <= lastMs / 2).length;
  assert.ok(Math.abs(half - 9_000) < 100, `${half} in the first half`);
});

test("whoever is in a hurry closes the rest at once", async () => {
  const closes = await closesOf(18_000, 1_000);
  assert.equal(closes.length, 18_000);
  assert.ok((closes.at(-1) ?? 0) <= 1_020, "the last at the latest a turn after it");
});
