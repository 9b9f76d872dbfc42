// SPDX-License-Identifier: Apache-2.0
/** What the rollout loop concludes, and what not, from what gateways say of devices. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ReportPhase } from "../../../protocol/device/report.ts";
import { digestOf } from "./bench-records.ts";
import { CenterBench, OFFER_LIFETIME_MS, SILENCE_MS } from "./center-bench.ts";

const INSTALL: readonly ReportPhase[] = [
  "accepted",
  "downloading",
  "downloaded",
  "installing",
  "installed",
];

/** One device, which runs version 1, has an offer of version 2. */
async function offered(soakMs = 1_000): Promise<CenterBench> {
  const bench = await CenterBench.open({ devices: 1 });
  bench.connectAll(digestOf("1"));
  await bench.cycle();
  await bench.plan("up", { soakMs });
  await Promise.all([bench.command("up", "start"), bench.cycle()]);
  assert.deepEqual(bench.states(1), ["offered"]);
  return bench;
}

/** It runs version 2, has said so, and the center has started anew. */
async function restartedInSoak(): Promise<CenterBench> {
  const bench = await offered(60_000);
  await report(bench, INSTALL);
  bench.runs(0, digestOf("2"));
  await bench.cycles(4); // what it runs now is stored
  assert.deepEqual(bench.states(1), ["verifying"]);
  await bench.crashAtPoint("center.loop.acted");
  return bench;
}

function report(bench: CenterBench, phases: readonly ReportPhase[]): Promise<void> {
  const [offer] = bench.offers;
  assert(offer !== undefined);
  return bench.report(offer, phases);
}

describe("after a start of the center", () => {
  const longAgo = { gateway: 1, digest: digestOf("1"), openedMsAgo: 600_000 };

  test("a session of before proves no way back: the device may be elsewhere", async () => {
    await using bench = await restartedInSoak();
    // It ended without a word, and its gateway has not found out yet.
    bench.connect(0, longAgo);
    await bench.cycles(5);
    assert.equal((await bench.record("up")).progress.state, "running");
    bench.connect(0, { gateway: 2, digest: digestOf("2"), openedMsAgo: 30_000 });
    await bench.cycles(62);
    assert.equal((await bench.record("up")).progress.state, "succeeded");
  });

  test("it does when its gateway would have missed the heartbeats", async () => {
    await using bench = await restartedInSoak();
    bench.connect(0, longAgo);
    await bench.cycles((3 * SILENCE_MS) / 1_000 + 1);
    assert.match((await bench.record("up")).progress.stateReason, /^1 of the 1 .* have failed/);
  });

  test("a session that began since proves it at once", async () => {
    await using bench = await restartedInSoak();
    bench.connect(0, { ...longAgo, openedMsAgo: 0 });
    await bench.cycles(2);
    assert.match((await bench.record("up")).progress.stateReason, /^1 of the 1 .* have failed/);
  });
});

describe("an offer that nobody answers", () => {
  test("may have been accepted for as long as its gateway would not miss the device", async () => {
    await using bench = await offered();
    await bench.cycles((2 * OFFER_LIFETIME_MS + SILENCE_MS) / 1_000 - 1);
    assert.deepEqual([bench.states(1), bench.offers.length], [["offered"], 1]);
    await report(bench, ["accepted"]);
    await bench.cycle();
    assert.deepEqual(bench.states(1), ["accepted"]);
  });

  test("is over then, and made anew", async () => {
    await using bench = await offered();
    await bench.cycles((2 * OFFER_LIFETIME_MS + SILENCE_MS) / 1_000 + 1);
    assert.deepEqual(
      bench.offers.map(({ generation }) => generation),
      [1, 2],
    );
  });
});
