// SPDX-License-Identifier: Apache-2.0
/**
 * Damaged datagrams: the decoder never throws, shows no byte that is not of the datagram and writes
 * none, and what it accepts encodes to bytes that decode alike. `MUSTER_FUZZ_COUNT` sets the number
 * of datagrams; a failure names the seed.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { mutateAnywhere, seededDraw } from "../mqtt/testing/mutations.ts";
import { Code } from "./codes.ts";
import { decodeMessage } from "./decoder.ts";
import { encodeEmpty, encodeMessage } from "./encoder.ts";
import { plain } from "./testing/messages.ts";
import { SAMPLE_MESSAGES } from "./testing/samples.ts";

const DATAGRAM_COUNT = Number(process.env["MUSTER_FUZZ_COUNT"] ?? 40_000);
/** Around the datagram in memory; no value may show it. */
const FOREIGN = 0xa5;

test(`${DATAGRAM_COUNT} damaged datagrams decode, or are refused with a clause`, () => {
  const seen = { accepted: 0, refused: 0 };
  for (let seed = 1; seed <= DATAGRAM_COUNT; seed += 1) {
    const draw = seededDraw(seed);
    const sample = SAMPLE_MESSAGES[draw(SAMPLE_MESSAGES.length)];
    assert.ok(sample !== undefined);
    const damaged = mutateAnywhere(sample, draw);
    const memory = Buffer.alloc(damaged.length + 64, FOREIGN);
    memory.set(damaged, 32);
    const datagram = memory.subarray(32, 32 + damaged.length);
    const where = `seed ${seed}: ${damaged.toString("hex")}`;
    const decoded = decodeMessage(datagram);
    assert.deepEqual(datagram, damaged, `${where}: it writes into the datagram`);
    if ("fault" in decoded) {
      seen.refused += 1;
      assert.match(decoded.clause, /^(?:RFC 7252 §|limit )/, where);
      continue;
    }
    seen.accepted += 1;
    const { token, options, payload } = decoded;
    for (const bytes of [token, payload, ...options.map(({ value }) => value)]) {
      assert.ok(isWithin(bytes, datagram), `${where}: bytes of somebody else`);
    }
    const again = decodeMessage(
      decoded.code === Code.Empty
        ? encodeEmpty(decoded.type, decoded.messageId)
        : encodeMessage(decoded),
    );
    assert.ok(!("fault" in again), where);
    assert.deepEqual(plain(again), plain(decoded), where);
  }
  assert.ok(seen.accepted > DATAGRAM_COUNT / 5 && seen.refused > DATAGRAM_COUNT / 5);
});

function isWithin(bytes: Buffer, datagram: Buffer): boolean {
  if (bytes.length === 0) return true;
  const start = bytes.byteOffset - datagram.byteOffset;
  return bytes.buffer === datagram.buffer && start >= 0 && start + bytes.length <= datagram.length;
}
