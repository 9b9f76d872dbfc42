// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { describe, test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { VirtualClock } from "../../test/helpers/virtual-clock.ts";
import { createProgress } from "./progress.ts";
import { RateMeter } from "./rate-meter.ts";

/** A stream that remembers each write; `columns` makes it a terminal. */
function sink(columns?: number): Writable & { writes: string[]; columns?: number; rows?: number } {
  const writes: string[] = [];
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      writes.push(String(chunk));
      done();
    },
  });
  return Object.assign(stream, { writes }, columns === undefined ? {} : { columns, rows: 24 });
}

describe("progress in a log", () => {
  test("rounds no share down that is whole, and has no rate for what was done before", () => {
    const clock = new VirtualClock();
    const stream = sink();
    using progress = createProgress({ stream, isTty: false, clock });
    const bar = progress.bar("wave 1/2", 50, "count", 20);
    clock.advance(5_000);
    bar.update(29);
    clock.advance(5_000);
    assert.deepEqual(stream.writes, [
      "wave 1/2: 20/50 (40 %)\n",
      "wave 1/2: 29/50 (58 %), 1.8/s, ETA 12s\n",
    ]);
  });

  test("is one line a change and at most one a second", () => {
    const clock = new VirtualClock();
    const stream = sink();
    using progress = createProgress({ stream, isTty: false, clock });
    const bar = progress.bar("import", 1_000);
    for (let value = 100; value <= 500; value += 100) {
      bar.update(value);
      clock.advance(200);
    }
    clock.advance(5_000);
    assert.deepEqual(stream.writes, [
      "import: 0/1,000 (0 %)\n",
      "import: 500/1,000 (50 %), 500/s, ETA 1s\n",
    ]);
    bar.update(1_000);
    bar.finish("done");
    clock.advance(1_000);
    assert.equal(stream.writes.at(-1), "import: 1,000/1,000 (100 %), done\n");
    assert.equal(clock.timerCount, 0);
  });

  test("says nothing while nothing changes", () => {
    const clock = new VirtualClock();
    const stream = sink();
    using progress = createProgress({ stream, isTty: false, clock });
    const bar = progress.bar("import", 10);
    bar.update(0);
    clock.advance(60_000);
    assert.equal(stream.writes.length, 1);
  });

  test("prints what is still to say when it ends, and keeps no timer", () => {
    const clock = new VirtualClock();
    const stream = sink();
    const progress = createProgress({ stream, isTty: false, clock });
    progress.bar("upload", 2_048, "bytes").update(1_024);
    progress[Symbol.dispose]();
    assert.deepEqual(stream.writes, [
      "upload: 0 B/2.0 KiB (0 %)\n",
      "upload: 1.0 KiB/2.0 KiB (50 %)\n",
    ]);
    assert.equal(clock.timerCount, 0);
  });
});

describe("progress on a terminal", () => {
  /** The last frame as a person sees it. */
  const lastFrame = (writes: readonly string[]): string =>
    stripVTControlCharacters(
      writes.findLast((text) => text.includes("█") || text.includes("░")) ?? "",
    );

  test("has a bar, the numbers, the rate and the estimate, within its width", () => {
    const clock = new VirtualClock();
    const stream = sink(80);
    using progress = createProgress({ stream, isTty: true, clock });
    const bar = progress.bar("rollout", 400);
    clock.advance(1_000);
    bar.update(100, "3 failed");
    clock.advance(200);
    const frame = lastFrame(stream.writes);
    assert.match(frame, /^rollout {2}█+░+ {2}100\/400 \(25 %\) {2}91\/s {2}ETA 3s {2}3 failed$/m);
    assert(frame.split("\n").every((line) => line.length < 80));
  });

  test("is drawn at most ten times a second", () => {
    const clock = new VirtualClock();
    const stream = sink(80);
    using progress = createProgress({ stream, isTty: true, clock });
    const bar = progress.bar("rollout", 10_000);
    for (let value = 1; value <= 1_000; value += 1) {
      bar.update(value);
      clock.advance(1);
    }
    const frames = stream.writes.filter((text) => text.includes("rollout")).length;
    assert(frames >= 8 && frames <= 12, `${frames} frames`);
  });

  test("shows the rate of what stands still as it falls", () => {
    const clock = new VirtualClock();
    const stream = sink(80);
    using progress = createProgress({ stream, isTty: true, clock });
    const bar = progress.bar("rollout", 1_000);
    clock.advance(1_000);
    bar.update(500);
    clock.advance(30_000);
    assert.doesNotMatch(lastFrame(stream.writes), /ETA/);
  });

  test("aligns bars and keeps the status line below them", () => {
    const clock = new VirtualClock();
    const stream = sink(60);
    using progress = createProgress({ stream, isTty: true, clock });
    progress.bar("rollout", 4).update(1);
    progress.bar("wave 1", 4).update(2);
    progress.status("2 unproven");
    clock.advance(500);
    const lines = lastFrame(stream.writes).trim().split("\n");
    assert.deepEqual(
      lines.map((line) => line.slice(0, 9)),
      ["rollout  ", "wave 1   ", "2 unprove"],
    );
  });
});

describe("a rate", () => {
  test("is that of the last ten seconds", () => {
    const clock = new VirtualClock();
    const meter = new RateMeter({ clock });
    meter.record(0);
    for (let second = 1; second <= 60; second += 1) {
      clock.advance(1_000);
      meter.record(second <= 40 ? second * 10 : 400 + (second - 40) * 30);
    }
    assert.equal(Math.round(meter.perSecond()), 30);
  });

  test("starts anew when the counter does", () => {
    const clock = new VirtualClock();
    const meter = new RateMeter({ clock });
    meter.record(1_000);
    clock.advance(1_000);
    meter.record(0);
    clock.advance(1_000);
    meter.record(5);
    assert.equal(meter.perSecond(), 5);
  });
});
