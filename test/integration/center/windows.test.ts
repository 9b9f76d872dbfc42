// SPDX-License-Identifier: Apache-2.0
/** Windows in the rollout loop, on a real store and virtual time that begins at midnight UTC. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ReportPhase } from "../../../protocol/device/report.ts";
import { ATTEMPT_STATES } from "../../../domain/attempt.ts";
import { DAYS } from "../../../domain/window.ts";
import { NO_WINDOWS } from "../../../domain/zone-windows.ts";
import { specOf } from "../../../domain/testing/pure-rollout.ts";
import { offerLeaves } from "../../../protocol/device/offer-batch.ts";
import { digestOf } from "./bench-records.ts";
import { CenterBench } from "./center-bench.ts";

const HOUR_MS = 3_600_000;
/** Two to three UTC, the three to four of Berlin. */
const NIGHT = [{ days: DAYS, fromMinute: 180, toMinute: 240 }];
const WINDOWS = { ...NO_WINDOWS, install: NIGHT, timeZone: "Europe/Berlin" };
const TO_WAIT: readonly ReportPhase[] = ["accepted", "downloading", "downloaded", "waiting"];
const WAITING_MS = 5_000;
/** Loop cycles of a second in which a device that waits would be too late, did it count. */
const LONGER_THAN_WAITING = 8;

/** Device 0 keeps windows by itself, device 1 does not. */
function connectBoth(bench: CenterBench): void {
  bench.connect(0, { digest: digestOf("1"), features: ["windows", "of-next-year"] });
  bench.connect(1, { digest: digestOf("1") });
}

function stateOf(bench: CenterBench, index: number): string {
  const rollout = bench.rollout(1);
  const position = rollout.positionOf(bench.ordinals[index] ?? 0);
  return ATTEMPT_STATES[rollout.stateAt(position)] ?? "";
}

async function started(): Promise<CenterBench> {
  const bench = await CenterBench.open({ devices: 2 });
  connectBoth(bench);
  await bench.cycle();
  const deadlines = { ...specOf().deadlines, reachMs: 5_000, waitingMs: WAITING_MS };
  await bench.plan("up", { windows: WINDOWS, deadlines });
  await Promise.all([bench.command("up", "start"), bench.cycle()]);
  return bench;
}

describe("an install window", () => {
  test("keeps offers from devices that keep none, and its time counts to no deadline", async () => {
    await using bench = await started();
    assert.deepEqual([stateOf(bench, 0), stateOf(bench, 1)], ["offered", "pending"]);
    const [offer] = bench.offers;
    assert(offer !== undefined);
    await bench.report(offer, TO_WAIT);
    await bench.cycles(LONGER_THAN_WAITING);
    assert.deepEqual([stateOf(bench, 0), stateOf(bench, 1)], ["waiting", "pending"]);
    const { stateReason } = (await bench.record("up")).progress;
    assert.match(stateReason, /; the install window of Europe\/Berlin opens at 2026-01-01 02:00Z$/);

    // What is known of windows is stored: a new center goes on with it.
    await bench.crashAtPoint("center.loop.acted");
    connectBoth(bench);
    await bench.cycles(LONGER_THAN_WAITING);
    assert.equal(stateOf(bench, 0), "waiting");

    await bench.cycle(2 * HOUR_MS);
    await bench.cycle();
    assert.deepEqual([stateOf(bench, 0), stateOf(bench, 1)], ["waiting", "offered"]);
    await bench.cycles(LONGER_THAN_WAITING);
    assert.equal(stateOf(bench, 0), "timed-out", "in the open window the deadline counts");
  });

  test("is in the signed offer, with the zone by its name", async () => {
    await using bench = await started();
    const [message] = bench.sent;
    const text = new TextDecoder().decode(
      message === undefined ? undefined : offerLeaves(message.columns)?.[0],
    );
    assert.deepEqual((JSON.parse(text) as { windows: unknown }).windows, {
      timeZone: "Europe/Berlin",
      install: NIGHT,
      download: [],
    });
  });

  test("that stays closed costs no commit but the clock's", async () => {
    await using bench = await started();
    const [offer] = bench.offers;
    assert(offer !== undefined);
    await bench.report(offer, TO_WAIT);
    await bench.cycle();
    await bench.cycle();
    const { storedRevision } = bench.rollout(1);
    await bench.cycles(5, 100);
    assert.equal(bench.rollout(1).storedRevision, storedRevision);
  });
});
