// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { encodePacket } from "./encoder.ts";
import type { ProtocolLevel } from "./packet-type.ts";
import type { Packet } from "./packets.ts";
import { decodeAll, decoderBefore, openDecoder } from "./testing/decoding.ts";
import { packetArbitrary } from "./testing/packet-arbitraries.ts";
import { SAMPLES } from "./testing/sample-packets.ts";

describe("samples written by hand", () => {
  for (const { name, level, receiver, hex, packet } of SAMPLES) {
    const bytes = Buffer.from(hex, "hex");
    test(`level ${level} ${receiver} decodes ${name}`, () => {
      const decoder = decoderBefore(bytes[0]!, { level, receiver });
      assert.deepEqual(decodeAll(decoder, [bytes]), [packet]);
    });
    test(`level ${level} ${receiver} encodes ${name}`, () => {
      assert.equal(encodePacket(level, packet).toString("hex"), hex);
    });
    test(`level ${level} ${receiver} decodes ${name}, cut anywhere`, () => {
      for (let cut = 0; cut <= bytes.length; cut++) {
        const decoder = decoderBefore(bytes[0]!, { level, receiver });
        const chunks = [bytes.subarray(0, cut), bytes.subarray(cut)];
        assert.deepEqual(decodeAll(decoder, chunks), [packet], `cut at ${cut}`);
        assert.equal(decoder.pendingBytes, 0);
      }
    });
  }
});

describe("arbitrary packets", () => {
  for (const level of [4, 5] as const satisfies ProtocolLevel[]) {
    for (const receiver of ["server", "client"] as const) {
      test(`level ${level} ${receiver}: what is encoded decodes to the same packet`, () => {
        fc.assert(
          fc.property(packetArbitrary(level, receiver), (packet) => {
            const bytes = encodePacket(level, packet);
            const decoder = decoderBefore(bytes[0]!, { level, receiver });
            assert.deepEqual(decodeAll(decoder, [bytes]), [packet]);
          }),
          { numRuns: 500 },
        );
      });

      test(`level ${level} ${receiver}: a stream decodes alike however it is cut`, () => {
        const packets = fc.array(packetArbitrary(level, receiver).filter(isMidSession), {
          minLength: 1,
          maxLength: 8,
        });
        const chunkBytes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 });
        fc.assert(
          fc.property(packets, chunkBytes, (sent, sizes) => {
            const stream = Buffer.concat(sent.map((packet) => encodePacket(level, packet)));
            const decoder = openDecoder({ level, receiver });
            assert.deepEqual(decodeAll(decoder, cut(stream, sizes)), sent);
          }),
          { numRuns: 200 },
        );
      });
    }
  }
});

function isMidSession(packet: Packet): boolean {
  return packet.type > 2;
}

function cut(stream: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0, turn = 0; at < stream.length; turn++) {
    const size = sizes[turn % sizes.length]!;
    // A copy, so that nothing can be read beyond it.
    chunks.push(Buffer.from(stream.subarray(at, at + size)));
    at += size;
  }
  return chunks;
}
