// SPDX-License-Identifier: Apache-2.0
/**
 * Damaged streams in damaged pieces: the decoder never throws, keeps no more than a frame, never
 * shows bytes that are not of the stream, and says the same however the stream is cut.
 * `MUSTER_FUZZ_COUNT` sets the number of streams; a failure names the seed of its stream.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isFault } from "../codec.ts";
import type { DeviceFrame } from "../gen/muster/v1/framed_codec.ts";
import { type Draw, mutateAnywhere, seededDraw } from "../mqtt/testing/mutations.ts";
import { FrameDecoder } from "./frame-decoder.ts";
import { deviceFrames } from "./frames.ts";
import { SAMPLE_FRAMES } from "./testing/sample-frames.ts";

const STREAM_COUNT = Number(process.env["MUSTER_FUZZ_COUNT"] ?? 20_000);
const MAX_BYTES = 150;
/** Around the stream in memory; no text or payload may show it. */
const FOREIGN = 0xa5;
const frames = deviceFrames();

/** A few frames, one of them damaged, in foreign surroundings. */
function damagedStream(draw: Draw): Buffer {
  const parts = Array.from(
    { length: 1 + draw(4) },
    () => SAMPLE_FRAMES[draw(SAMPLE_FRAMES.length)] as Buffer,
  );
  const damaged = draw(parts.length);
  parts[damaged] = mutateAnywhere(parts[damaged] as Buffer, draw);
  const bytes = Buffer.concat(parts);
  const memory = Buffer.alloc(bytes.length + 64, FOREIGN);
  memory.set(bytes, 32);
  return memory.subarray(32, 32 + bytes.length);
}

function decode(pieces: readonly Buffer[]): (DeviceFrame | string)[] {
  const decoder = new FrameDecoder({ frames, maxBytes: MAX_BYTES });
  const found: (DeviceFrame | string)[] = [];
  for (const piece of pieces) {
    decoder.push(piece);
    for (let next = decoder.next(); next !== null; next = decoder.next()) {
      found.push(isFault(next) ? next.reason : next);
      if (isFault(next)) return found;
    }
    assert.ok(decoder.pendingBytes < 4 + MAX_BYTES, "it keeps more than a frame");
  }
  return found;
}

function cut(stream: Buffer, draw: Draw): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < stream.length;) {
    const size = 1 + draw(draw(2) === 0 ? 3 : 80);
    pieces.push(stream.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

function foreignCount(frame: DeviceFrame | string): number {
  if (typeof frame === "string") return 0;
  const { hello, heartbeat, report, log } = frame;
  return [hello, heartbeat, report, log]
    .flatMap((message) => [...(message?.payload ?? [])])
    .filter((byte) => byte === FOREIGN).length;
}

test(`${STREAM_COUNT} damaged streams of frames are read or refused`, () => {
  let refusedCount = 0;
  for (let seed = 1; seed <= STREAM_COUNT; seed += 1) {
    const draw = seededDraw(seed);
    const stream = damagedStream(draw);
    const where = `seed ${seed}: ${stream.toString("hex")}`;
    const before = Buffer.from(stream);
    const whole = decode([stream]);
    assert.deepEqual(decode(cut(stream, draw)), whole, where);
    assert.deepEqual(stream, before, `${where}: it writes into the bytes`);
    const ownCount = stream.filter((byte) => byte === FOREIGN).length;
    const shownCount = whole.reduce((sum, frame) => sum + foreignCount(frame), 0);
    assert.ok(shownCount <= ownCount, `${where}: it shows other memory`);
    if (typeof whole.at(-1) === "string") refusedCount += 1;
  }
  assert.ok(refusedCount > STREAM_COUNT / 10, `${refusedCount} refused`);
  assert.ok(refusedCount < STREAM_COUNT * 0.9, `${refusedCount} refused`);
});
