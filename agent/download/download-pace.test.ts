// SPDX-License-Identifier: Apache-2.0
/** The device's own cap, counted in bytes on virtual time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../../test/helpers/virtual-clock.ts";
import { DownloadPace } from "./download-pace.ts";

const { signal } = new AbortController();

test("a download takes no more than its cap, and a pause saves nothing up", async () => {
  const clock = new VirtualClock();
  const pace = new DownloadPace({ clock, bytesPerSecond: 50_000 });
  clock.advance(60_000);
  let takenBytes = 0;
  void (async () => {
    for (;;) {
      takenBytes += 1_000;
      await pace.took(1_000, signal);
    }
  })();
  for (let passedMs = 0; passedMs < 10_000; passedMs += 1) {
    clock.advance(1);
    await Promise.resolve();
    await Promise.resolve();
  }
  assert.ok(Math.abs(takenBytes - 500_000) <= 2_000, `${takenBytes} bytes`);
});

test("without a cap nothing waits", async () => {
  const clock = new VirtualClock();
  const pace = new DownloadPace({ clock, bytesPerSecond: 0 });
  for (let piece = 0; piece < 1_000; piece += 1) await pace.took(65_536, signal);
  assert.equal(clock.timerCount, 0);
});

test("a wait ends with its signal", async () => {
  const clock = new VirtualClock();
  const pace = new DownloadPace({ clock, bytesPerSecond: 1 });
  const stop = new AbortController();
  const waiting = pace.took(1_000, stop.signal);
  stop.abort(new Error("the window closed"));
  await assert.rejects(waiting, /the window closed/);
  assert.equal(clock.timerCount, 0);
});
