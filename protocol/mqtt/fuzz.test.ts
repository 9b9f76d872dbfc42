// SPDX-License-Identifier: Apache-2.0
/**
 * Damaged streams in damaged pieces: the decoder never throws, never keeps more than its limit,
 * never shows bytes that are not of the stream, and says the same however the stream is cut.
 * `MUSTER_FUZZ_COUNT` sets the number of streams; a failure names the seed of its stream.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_DECODER_LIMITS } from "./decoder-limits.ts";
import { MALFORMED, PacketType } from "./packet-type.ts";
import type { MalformedPacket, Packet } from "./packets.ts";
import { freshDecoder, openDecoder } from "./testing/decoding.ts";
import { type Draw, mutateAnywhere, seededDraw } from "./testing/mutations.ts";
import { SAMPLES } from "./testing/sample-packets.ts";

const STREAM_COUNT = Number(process.env["MUSTER_FUZZ_COUNT"] ?? 20_000);
const limits = { ...DEFAULT_DECODER_LIMITS, maxPacketBytes: 200, maxConnectBytes: 100 };
/** Around the stream in memory; no string or payload may show it. */
const FOREIGN = 0xa5;

/** A few packets of one direction and level, one of them damaged, in foreign surroundings. */
function damagedStream(draw: Draw): {
  stream: Buffer;
  level: 4 | 5;
  receiver: "server" | "client";
} {
  const { level, receiver } = SAMPLES[draw(SAMPLES.length)]!;
  const siblings = SAMPLES.filter(
    (sample) => sample.level === level && sample.receiver === receiver,
  );
  const packets: Buffer[] = Array.from({ length: 1 + draw(4) }, () =>
    Buffer.from(siblings[draw(siblings.length)]!.hex, "hex"),
  );
  const damaged = draw(packets.length);
  packets[damaged] = mutateAnywhere(packets[damaged]!, draw);
  const bytes = Buffer.concat(packets);
  const memory = Buffer.alloc(bytes.length + 64, FOREIGN);
  memory.set(bytes, 32);
  return { stream: memory.subarray(32, 32 + bytes.length), level, receiver };
}

function decode(
  chunks: readonly Buffer[],
  options: { level: 4 | 5; receiver: "server" | "client"; isOpen: boolean },
): (Packet | MalformedPacket)[] {
  const decoder = (options.isOpen ? openDecoder : freshDecoder)({ ...options, limits });
  const packets: (Packet | MalformedPacket)[] = [];
  for (const chunk of chunks) {
    decoder.push(chunk);
    for (let packet = decoder.next(); packet !== null; packet = decoder.next()) {
      packets.push(packet);
      if (packet.type === MALFORMED) return packets;
    }
    assert.ok(decoder.pendingBytes <= limits.maxPacketBytes, "it keeps more than its limit");
  }
  return packets;
}

function cut(stream: Buffer, draw: Draw): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < stream.length;) {
    const stop = Math.min(stream.length, at + draw(12));
    chunks.push(stream.subarray(at, stop));
    at = stop;
  }
  return chunks;
}

test(`${STREAM_COUNT} damaged streams decode alike in one piece and in many`, () => {
  let acceptedCount = 0;
  let failureCount = 0;
  for (let seed = 1; seed <= STREAM_COUNT; seed++) {
    const draw = seededDraw(seed);
    const { stream, level, receiver } = damagedStream(draw);
    const options = { level, receiver, isOpen: draw(3) > 0 };
    const where = `seed ${seed}: ${stream.toString("hex")}`;
    const before = Buffer.from(stream);
    const whole = decode([stream], options);
    assert.deepEqual(decode(cut(stream, draw), options), whole, where);
    assert.deepEqual(stream, before, `${where}: it writes into the stream`);
    const last = whole.at(-1);
    if (last?.type === MALFORMED) failureCount++;
    acceptedCount += whole.length;
    for (const packet of whole) {
      if (packet.type !== PacketType.Publish || packet.payload.length === 0) continue;
      assert.ok(stream.includes(packet.payload), `${where}: the payload is not of the stream`);
    }
  }
  assert.ok(failureCount > STREAM_COUNT / 10 && acceptedCount > STREAM_COUNT / 4);
});
