// SPDX-License-Identifier: Apache-2.0
/** Caps, counted in bytes on virtual time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isMusterError } from "../../domain/errors.ts";
import { VirtualClock } from "../../test/helpers/virtual-clock.ts";
import { Pacer } from "./pacer.ts";

const { signal } = new AbortController();
const PIECE_BYTES = 1_000;

/** Takes pieces for ever; `sent` counts the bytes that were let go. */
class Stream {
  sentBytes = 0;

  constructor(pacer: Pacer, device: string) {
    void this.#run(pacer, device);
  }

  async #run(pacer: Pacer, device: string): Promise<void> {
    for (;;) {
      await pacer.take(device, PIECE_BYTES, signal);
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
  const pacer = new Pacer({ clock, ...rates });
  const lone = new Stream(pacer, "lone");
  await pass(clock, 10_000);
  // Ten seconds, and the burst that was saved up before them.
  assert.ok(Math.abs(lone.sentBytes - 440_000) <= 2 * PIECE_BYTES, `${lone.sentBytes} bytes`);
  const others = ["b", "c", "d", "e"].map((device) => new Stream(pacer, device));
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
  const pacer = new Pacer({ clock, ...rates });
  clock.advance(3_600_000);
  const stream = new Stream(pacer, "pump-1");
  await pass(clock, 1_000);
  assert.ok(Math.abs(stream.sentBytes - 100_000) <= 2 * PIECE_BYTES, `${stream.sentBytes} bytes`);
});

test("without caps nothing waits", async () => {
  const clock = new VirtualClock();
  const pacer = new Pacer({ clock, gatewayBytesPerSecond: null, deviceBytesPerSecond: null });
  for (let piece = 0; piece < 1_000; piece += 1) await pacer.take("pump-1", 65_536, signal);
  assert.equal(clock.timerCount, 0);
});

test("who would wait too long for a first byte is told to come again", async () => {
  const clock = new VirtualClock();
  const rates = { gatewayBytesPerSecond: 100_000, deviceBytesPerSecond: null };
  const pacer = new Pacer({ clock, ...rates });
  const abort = new AbortController();
  const waiting = Array.from({ length: 40 }, (_, device) =>
    pacer.take(`pump-${device}`, 65_536, abort.signal).catch(() => {}),
  );
  assert.throws(
    () => pacer.checkBusy("pump-99"),
    (error) => isMusterError(error) && error.code === "resource_exhausted",
  );
  clock.advance(10_000);
  pacer.checkBusy("pump-99");
  abort.abort();
  await Promise.all(waiting);
  assert.equal(clock.timerCount, 0);
});
