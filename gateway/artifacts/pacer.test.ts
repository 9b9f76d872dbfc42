// SPDX-License-Identifier: Apache-2.0
/** Caps, counted in bytes on virtual time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isMusterError } from "../../domain/errors.ts";
import { VirtualClock } from "../../test/helpers/virtual-clock.ts";
import { NO_BANDWIDTH } from "../../domain/bandwidth.ts";
import { Pacer, type CapPlace, type Taker } from "./pacer.ts";

const { signal } = new AbortController();
const metrics = { capPaid: () => {} };
const NO_CAPS = { site: 0, caps: null };
const PIECE_BYTES = 1_000;

/** Takes pieces for ever; `sent` counts the bytes that were let go. */
class Stream {
  sentBytes = 0;

  constructor(pacer: Pacer, taker: Taker) {
    void this.#run(pacer, taker);
  }

  async #run(pacer: Pacer, taker: Taker): Promise<void> {
    for (;;) {
      await pacer.take(taker, PIECE_BYTES, signal);
      this.sentBytes += PIECE_BYTES;
      // Without a cap there is nothing to wait for: enough has been seen.
      if (this.sentBytes >= 10_000_000) return;
    }
  }
}

async function pass(clock: VirtualClock, durationMs: number): Promise<void> {
  for (let passedMs = 0; passedMs < durationMs; passedMs += 1) {
    clock.advance(1);
    await Promise.resolve();
    await Promise.resolve();
  }
}

test("each device has its rate, and all of them together the gateway's", async () => {
  const clock = new VirtualClock();
  const rates = { gatewayBytesPerSecond: 100_000, deviceBytesPerSecond: 40_000 };
  const pacer = new Pacer({ clock, metrics, ...rates });
  const lone = new Stream(pacer, { device: "lone", ...NO_CAPS });
  await pass(clock, 10_000);
  // Ten seconds, and the burst that was saved up before them.
  assert.ok(Math.abs(lone.sentBytes - 440_000) <= 2 * PIECE_BYTES, `${lone.sentBytes} bytes`);
  const others = ["b", "c", "d", "e"].map((device) => new Stream(pacer, { device, ...NO_CAPS }));
  const before = lone.sentBytes;
  await pass(clock, 10_000);
  const sent = [lone.sentBytes - before, ...others.map(({ sentBytes }) => sentBytes)];
  const sum = sent.reduce((total, bytes) => total + bytes, 0);
  assert.ok(sum <= 1_100_000 + 10 * PIECE_BYTES && sum >= 990_000, `${sum} bytes`);
  for (const bytes of sent) assert.ok(bytes >= 150_000 && bytes <= 440_000, `${bytes} bytes`);
});

test("a pause saves up one second's worth, and no more", async () => {
  const clock = new VirtualClock();
  const rates = { gatewayBytesPerSecond: null, deviceBytesPerSecond: 50_000 };
  const pacer = new Pacer({ clock, metrics, ...rates });
  clock.advance(3_600_000);
  const stream = new Stream(pacer, { device: "pump-1", ...NO_CAPS });
  await pass(clock, 1_000);
  assert.ok(Math.abs(stream.sentBytes - 100_000) <= 2 * PIECE_BYTES, `${stream.sentBytes} bytes`);
});

test("without caps nothing waits", async () => {
  const clock = new VirtualClock();
  const pacer = new Pacer({
    clock,
    metrics,
    gatewayBytesPerSecond: null,
    deviceBytesPerSecond: null,
  });
  for (let piece = 0; piece < 1_000; piece += 1)
    await pacer.take({ device: "pump-1", ...NO_CAPS }, 65_536, signal);
  assert.equal(clock.timerCount, 0);
});

test("who would wait too long for a first byte is told to come again", async () => {
  const clock = new VirtualClock();
  const rates = { gatewayBytesPerSecond: 100_000, deviceBytesPerSecond: null };
  const pacer = new Pacer({ clock, metrics, ...rates });
  const abort = new AbortController();
  const waiting = Array.from({ length: 40 }, (_, device) =>
    pacer.take({ device: `pump-${device}`, ...NO_CAPS }, 65_536, abort.signal).catch(() => {}),
  );
  assert.throws(
    () => pacer.checkBusy({ device: "pump-99", ...NO_CAPS }),
    (error) => isMusterError(error) && error.code === "resource_exhausted",
  );
  clock.advance(10_000);
  pacer.checkBusy({ device: "pump-99", ...NO_CAPS });
  abort.abort();
  await Promise.all(waiting);
  assert.equal(clock.timerCount, 0);
});

test("a rollout keeps to its caps of device, site and gateway, and pays for each", async () => {
  const clock = new VirtualClock();
  const paid: { [place in CapPlace]: number } = { gateway: 0, site: 0, device: 0 };
  const counted = {
    capPaid: (place: CapPlace, byteCount: number): void => void (paid[place] += byteCount),
  };
  const none = { gatewayBytesPerSecond: null, deviceBytesPerSecond: null };
  const pacer = new Pacer({ clock, metrics: counted, ...none });
  const caps = {
    deviceBytesPerSecond: 20_000,
    siteBytesPerSecond: 30_000,
    gatewayBytesPerSecond: 50_000,
  };
  // Three devices of one site, three of another, two of none.
  const streams = [1, 1, 1, 2, 2, 2, 0, 0].map((site, index) => {
    return new Stream(pacer, { device: `pump-${index}`, site, caps });
  });
  await pass(clock, 20_000);
  const sent = streams.map(({ sentBytes }) => sentBytes);
  const sum = (from: number, to: number): number =>
    sent.slice(from, to).reduce((total, bytes) => total + bytes, 0);
  // Twenty seconds, and the burst of one before them.
  const slack = streams.length * PIECE_BYTES;
  for (const bytes of sent) assert.ok(bytes <= 420_000 + slack, `${bytes} bytes to a device`);
  assert.ok(sum(0, 3) <= 630_000 + slack && sum(3, 6) <= 630_000 + slack);
  assert.ok(sum(0, 8) <= 1_050_000 + slack && sum(0, 8) >= 950_000, `${sum(0, 8)} bytes in all`);
  assert.ok(Math.abs(paid.gateway - sum(0, 8)) <= slack);
  assert.ok(Math.abs(paid.site - sum(0, 6)) <= slack, "who has no site pays for none");
});

test("rollouts share a place: each keeps to its own cap, all to the largest", async () => {
  const clock = new VirtualClock();
  const none = { gatewayBytesPerSecond: null, deviceBytesPerSecond: null };
  const pacer = new Pacer({ clock, metrics, ...none });
  const at = (siteBytesPerSecond: number): Pick<Taker, "site" | "caps"> => {
    return { site: 7, caps: { ...NO_BANDWIDTH, siteBytesPerSecond } };
  };
  const small = new Stream(pacer, { device: "a", ...at(20_000) });
  const large = new Stream(pacer, { device: "b", ...at(60_000) });
  const elsewhere = new Stream(pacer, { device: "c", ...at(20_000), site: 8 });
  await pass(clock, 10_000);
  const slack = 3 * PIECE_BYTES;
  assert.ok(small.sentBytes <= 220_000 + slack, `${small.sentBytes} bytes`);
  assert.ok(small.sentBytes + large.sentBytes <= 660_000 + slack);
  assert.ok(small.sentBytes >= 100_000 && large.sentBytes >= 100_000, "they take turns");
  assert.ok(Math.abs(elsewhere.sentBytes - 220_000) <= slack, "another site is not in their way");
  const free = new Stream(pacer, { device: "d", site: 7, caps: null });
  await pass(clock, 10);
  assert.ok(free.sentBytes >= 1_000_000 / PIECE_BYTES, "what has no cap does not wait");
});
