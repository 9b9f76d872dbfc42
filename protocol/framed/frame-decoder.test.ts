// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { fromBinary, toBinary, create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { isFault } from "../codec.ts";
import type { DeviceFrame } from "../gen/muster/v1/framed_codec.ts";
import { DeviceFrameSchema, GatewayFrameSchema } from "../gen/muster/v1/framed_pb.ts";
import { FRAME_BYTES_MAX, FrameDecoder } from "./frame-decoder.ts";
import {
  deviceFrames,
  encodeFrame,
  gatewayFrames,
  NO_DEVICE_FRAME,
  NO_GATEWAY_FRAME,
} from "./frames.ts";

const frames = deviceFrames();

function ping(number: number): DeviceFrame {
  return { ...NO_DEVICE_FRAME, ping: { number } };
}

function decoder(maxBytes = FRAME_BYTES_MAX): FrameDecoder<DeviceFrame> {
  return new FrameDecoder({ frames, maxBytes });
}

/** What the decoder has to say about the bytes, in the order of the pieces. */
function read(reader: FrameDecoder<DeviceFrame>, ...pieces: Uint8Array[]): unknown[] {
  const found: unknown[] = [];
  for (const piece of pieces) {
    reader.push(piece);
    for (let next = reader.next(); next !== null; next = reader.next()) {
      found.push(isFault(next) ? next.reason : next);
      if (isFault(next)) return found;
    }
  }
  return found;
}

test("frames are the same however the stream is cut", () => {
  const payload = fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes));
  const frame = fc.oneof(
    fc.nat(0xffff_ffff).map(ping),
    fc
      .tuple(fc.nat(0xffff), payload)
      .map(([id, bytes]) => ({ ...NO_DEVICE_FRAME, report: { id, payload: bytes } })),
  );
  const cuts = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 12 }), cuts, (sent, sizes) => {
      const stream = Buffer.concat(sent.map((one) => encodeFrame(frames, one)));
      const pieces: Buffer[] = [];
      for (let at = 0, index = 0; at < stream.length; index += 1) {
        const size = sizes[index % sizes.length] as number;
        // A socket uses its memory again.
        pieces.push(Buffer.from(stream.subarray(at, at + size)));
        at += size;
      }
      const reader = decoder();
      const got = read(reader, ...pieces) as DeviceFrame[];
      const plain = (one: DeviceFrame): object =>
        one.report === undefined
          ? one
          : { ...one, report: { ...one.report, payload: Buffer.from(one.report.payload) } };
      assert.deepEqual(got.map(plain), sent.map(plain));
      assert.equal(reader.pendingBytes, 0);
    }),
  );
});

test("a length that is too large is a fault before anything is kept", () => {
  const reason = "a frame of 65537 bytes, where 65536 are allowed";
  const length = Buffer.from("00010001", "hex");
  assert.deepEqual(read(decoder(), length), [reason]);
  assert.deepEqual(read(decoder(), length.subarray(0, 3), length.subarray(3)), [reason]);
  assert.deepEqual(read(decoder(5), Buffer.of(0, 0, 0, 6)), [
    "a frame of 6 bytes, where 5 are allowed",
  ]);
});

test("the largest frame there may be is read, whole and in pieces", () => {
  const payload = Buffer.alloc(FRAME_BYTES_MAX - 8, 0x61);
  const bytes = encodeFrame(frames, { ...NO_DEVICE_FRAME, log: { id: 0, payload } });
  assert.equal(bytes.length, 4 + FRAME_BYTES_MAX);
  const [whole] = read(decoder(), bytes) as DeviceFrame[];
  assert.equal(whole?.log?.payload.length, payload.length);
  const halves = [bytes.subarray(0, 30_000), bytes.subarray(30_000)];
  const [gathered] = read(decoder(), ...halves) as DeviceFrame[];
  assert.deepEqual(gathered, whole);
});

test("a fault is the end: nothing is read behind it", () => {
  const reader = decoder();
  const bytes = Buffer.concat([Buffer.from("000000020a05", "hex"), encodeFrame(frames, ping(1))]);
  const reason = "byte 1: a length of 5, and 0 bytes are left";
  assert.deepEqual(read(reader, bytes), [reason]);
  const again = reader.next();
  assert.ok(isFault(again) && again.reason === reason);
});

test("of two kinds in a frame the later one counts, as in any oneof", () => {
  const both = Buffer.concat([
    frames.encode(ping(3)),
    frames.encode({ ...NO_DEVICE_FRAME, log: { id: 1, payload: Buffer.from("x") } }),
  ]);
  const decoded = frames.decode(both);
  assert.ok(!isFault(decoded));
  assert.equal(decoded.ping, undefined);
  assert.equal(decoded.log?.id, 1);
  assert.equal(fromBinary(DeviceFrameSchema, both).kind.case, "log");
});

test("frames are what any Protobuf library reads and writes", () => {
  const goodbye = { reason: 7, detail: "…", server: "" };
  const written = gatewayFrames().encode({ ...NO_GATEWAY_FRAME, goodbye });
  const { kind } = fromBinary(GatewayFrameSchema, written);
  assert.ok(kind.case === "goodbye" && kind.value.reason === 7 && kind.value.detail === "…");
  const payload = Buffer.from("{}");
  const value = { id: 300, payload };
  const message = create(DeviceFrameSchema, { kind: { case: "hello", value } });
  const decoded = frames.decode(toBinary(DeviceFrameSchema, message));
  assert.ok(!isFault(decoded) && decoded.hello !== undefined);
  assert.equal(decoded.hello.id, 300);
  assert.deepEqual(Buffer.from(decoded.hello.payload), payload);
});
