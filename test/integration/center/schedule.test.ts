// SPDX-License-Identifier: Apache-2.0
/** `notBefore` and `expires` in the rollout loop, on a real store and virtual time. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { digestOf } from "./bench-records.ts";
import { CenterBench, OFFER_LIFETIME_MS } from "./center-bench.ts";

const HOUR_MS = 3_600_000;

describe("a rollout with a beginning and an end", () => {
  test("waits for the one, also over a crash, and ends as expired at the other", async () => {
    await using bench = await CenterBench.open({ devices: 2 });
    const beginMs = bench.clock.wallMs() + HOUR_MS;
    bench.connectAll(digestOf("1"));
    await bench.cycle();
    const spec = { notBeforeMs: beginMs, expiresAtMs: beginMs + HOUR_MS, waves: [{ count: 1 }] };
    await bench.plan("up", spec);
    await Promise.all([bench.command("up", "start"), bench.cycle()]);
    await bench.cycles(2);
    const waiting = (await bench.record("up")).progress;
    assert.match(waiting.stateReason, /^waiting until .*Z \(notBefore\)$/);
    assert.deepEqual([waiting.state, waiting.waveCount, bench.sent], ["running", 0, []]);

    await bench.crashAtPoint("center.loop.decided");
    bench.connectAll(digestOf("1"));
    await bench.cycles(1, HOUR_MS);
    assert.deepEqual(bench.states(1), ["offered", "pending"]);

    await bench.cycles(1, HOUR_MS);
    await bench.cycles(Math.ceil(OFFER_LIFETIME_MS / 1_000) + 1);
    const { progress } = await bench.record("up");
    assert.equal(progress.state, "expired");
    assert.match(progress.stateReason, /^it expired at /);
  });

  test("is not started after its end", async () => {
    await using bench = await CenterBench.open({ devices: 1 });
    await bench.plan("up", { expiresAtMs: bench.clock.wallMs() - 1 });
    const refused = assert.rejects(bench.command("up", "start"), (error: Error) => {
      const wanted = /^cannot start rollout up: it is planned; its "expires", .*Z, is in the past$/;
      return wanted.test(error.message);
    });
    await Promise.all([refused, bench.cycle()]);
  });
});
