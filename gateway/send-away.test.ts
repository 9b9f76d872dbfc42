// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../test/helpers/virtual-clock.ts";
import type { DeviceLink } from "./sessions/device-link.ts";
import { sendAway } from "./send-away.ts";

interface Run {
  readonly count: number;
  /** When the signal aborts. */
  readonly abortAtMs?: number;
  /** How late each turn comes: the process is busy. */
  readonly lateMs?: number;
  /** Until when this connection waits for an answer. */
  readonly owedUntilMs?: (slot: number) => number;
  /** One more comes then. */
  readonly oneMoreAtMs?: number;
}

/** When each connection was closed, by its slot, ms; every seventh slot is free. */
async function closesOf(run: Run): Promise<ReadonlyMap<number, number>> {
  const { count, abortAtMs = Infinity, lateMs = 0, oneMoreAtMs = Infinity } = run;
  const { owedUntilMs = () => 0 } = run;
  const clock = new VirtualClock();
  const startMs = clock.monotonicMs();
  const closedAtMs = new Map<number, number>();
  const aborting = new AbortController();
  const slotCount = Math.ceil((count * 7) / 6);
  const passedMs = (): number => clock.monotonicMs() - startMs;
  const isTaken = (slot: number): boolean =>
    (slot % 7 !== 6 || passedMs() >= oneMoreAtMs) && !closedAtMs.has(slot);
  const link = (slot: number): DeviceLink =>
    ({ close: () => closedAtMs.set(slot, passedMs()) }) as unknown as DeviceLink;
  let isDone = false;
  const isOwed = (slot: number): boolean => passedMs() < owedUntilMs(slot);
  const table = { slotCount, isTaken, link };
  const away = sendAway({ table, isOwed, clock, signal: aborting.signal });
  void away.finally(() => (isDone = true));
  for (let turn = 0; turn < 1_000; turn += 1) {
    await Promise.resolve().then(() => Promise.resolve());
    if (isDone) break;
    if (passedMs() >= abortAtMs) aborting.abort();
    else clock.advance(10 + lateMs);
  }
  await away;
  return closedAtMs;
}

test("few connections are closed at a rate that one core takes in", async () => {
  const closes = [...(await closesOf({ count: 60 })).values()];
  assert.equal(closes.length, 60);
  assert.equal(closes.filter((atMs) => atMs === 0).length, 10);
  assert.equal(closes.at(-1), 100);
});

test("as many as there can be are closed within the window, evenly", async () => {
  const closes = [...(await closesOf({ count: 18_000 })).values()];
  assert.equal(closes.length, 18_000);
  const lastMs = closes.at(-1) ?? 0;
  assert.ok(lastMs > 7_000 && lastMs <= 8_000, `${lastMs} ms`);
  const half = closes.filter((atMs) => atMs <= lastMs / 2).length;
  assert.ok(Math.abs(half - 9_000) < 100, `${half} in the first half`);
});

test("a process whose turns come late needs no longer for it", async () => {
  const closes = [...(await closesOf({ count: 18_000, lateMs: 190 })).values()];
  assert.equal(closes.length, 18_000);
  assert.ok((closes.at(-1) ?? 0) <= 8_200, "the last at the latest a late turn after the window");
});

test("whoever is in a hurry closes the rest at once", async () => {
  const closes = [...(await closesOf({ count: 18_000, abortAtMs: 1_000 })).values()];
  assert.equal(closes.length, 18_000);
  assert.ok((closes.at(-1) ?? 0) <= 1_020, "the last at the latest a turn after it");
});

test("who is owed something is closed when it has it, or at the window's end", async () => {
  const owedUntilMs = (slot: number): number => [500, Infinity][slot] ?? 0;
  const closes = await closesOf({ count: 60, owedUntilMs });
  assert.equal(closes.size, 60);
  assert.deepEqual([closes.get(0), closes.get(1)], [500, 8_000]);
  assert.ok([...closes].every(([slot, atMs]) => slot < 2 || atMs <= 100));
});

test("who comes in the meantime is closed, too", async () => {
  const closes = await closesOf({ count: 60, oneMoreAtMs: 50 });
  assert.equal(closes.get(6), 60);
  assert.equal(closes.size, 70);
});
