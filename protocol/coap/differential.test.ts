// SPDX-License-Identifier: Apache-2.0
/**
 * Our codec against the library `coap-packet`: both must read what the other writes, and must agree
 * on damaged datagrams but for the rules listed here, which the peer does not check.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { mutateAnywhere, seededDraw } from "../mqtt/testing/mutations.ts";
import { decodeMessage } from "./decoder.ts";
import { encodeMessage } from "./encoder.ts";
import { peerGenerate, peerParse } from "./testing/coap-packet.ts";
import { messageArbitrary, plain } from "./testing/messages.ts";
import { SAMPLE_MESSAGES } from "./testing/samples.ts";

/** It reads what is missing as far as it is there, and has tokens of any length (RFC 8974). */
const STRICTER: ReadonlySet<string> = new Set([
  "a token has at most eight bytes",
  "the token ends after the datagram",
  "nothing follows the marker",
  "an option ends after its message",
  "an option number is too large",
  "an empty message has a header only",
  "there are more than 32 options",
]);

const MUTATION_COUNT = 40_000;

describe("against coap-packet", () => {
  test("it reads what we write, and we read what it writes", () => {
    fc.assert(
      fc.property(messageArbitrary(), (message) => {
        const ours = encodeMessage(message);
        assert.deepEqual(peerParse(ours), plain(message));
        const theirs = peerGenerate(message);
        assert.deepEqual(theirs, ours);
        const decoded = decodeMessage(theirs);
        assert.ok(!("fault" in decoded));
        assert.deepEqual(plain(decoded), plain(message));
      }),
      { numRuns: 1_000 },
    );
  });

  test(`both judge ${MUTATION_COUNT} damaged datagrams alike, but for the listed rules`, () => {
    const draw = seededDraw(20_260_101);
    const seen = { both: 0, neither: 0, stricter: 0 };
    for (let count = 0; count < MUTATION_COUNT; count += 1) {
      const sample = SAMPLE_MESSAGES[draw(SAMPLE_MESSAGES.length)];
      assert.ok(sample !== undefined);
      const datagram = mutateAnywhere(sample, draw);
      seen[compare(datagram)] += 1;
    }
    for (const [verdict, seenCount] of Object.entries(seen)) assert.ok(seenCount > 100, verdict);
  });
});

function compare(datagram: Buffer): "both" | "neither" | "stricter" {
  const where = datagram.toString("hex");
  const ours = decodeMessage(datagram);
  const theirs = peerParse(datagram);
  if (!("fault" in ours)) {
    assert.deepEqual(theirs, plain(ours), where);
    return "both";
  }
  if (theirs === null) return "neither";
  assert.ok(STRICTER.has(ours.fault), `${where}: ${ours.fault}`);
  return "stricter";
}
