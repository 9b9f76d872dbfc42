// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { MAX_HEADER_BYTES, parseProxyHeader } from "./proxy-header.ts";

const SIGNATURE = "0d0a0d0a000d0a515549540a";
const V2_TCP4 = Buffer.from(`${SIGNATURE}2111000cc6336407cb0071019d780050`, "hex");
const V2_TCP6 = Buffer.from(
  `${SIGNATURE}21210024` +
    "20010db8000000000000000000000001" +
    "20010db8000000000000000000000002" +
    "9d7822b3",
  "hex",
);

const ACCEPTED: readonly (readonly [string, Buffer, string | null])[] = [
  ["TCP4", line("TCP4 198.51.100.7 203.0.113.1 40312 8883"), "198.51.100.7:40312"],
  ["TCP6", line("TCP6 2001:db8::1 2001:db8::2 40312 8883"), "[2001:db8::1]:40312"],
  ["UNKNOWN", line("UNKNOWN"), null],
  ["UNKNOWN with words", line("UNKNOWN ffff::1 ffff::2 1 2"), null],
  ["binary IPv4", V2_TCP4, "198.51.100.7:40312"],
  ["binary IPv6", V2_TCP6, "[2001:db8:0:0:0:0:0:1]:40312"],
  ["binary LOCAL, a health check", Buffer.from(`${SIGNATURE}20000000`, "hex"), null],
  ["binary, a Unix socket", Buffer.from(`${SIGNATURE}213100d8${"00".repeat(216)}`, "hex"), null],
];

const REFUSED: readonly (readonly [string, Buffer, RegExp])[] = [
  ["a TLS ClientHello", Buffer.from("160301", "hex"), /does not begin/],
  ["an MQTT CONNECT", Buffer.from("100c00044d5154540402", "hex"), /does not begin/],
  ["another family", line("UDP4 198.51.100.7 203.0.113.1 1 2"), /TCP4, TCP6 or UNKNOWN/],
  ["an address of the other family", line("TCP4 2001:db8::1 203.0.113.1 1 2"), /two addresses/],
  ["no address", line("TCP4 "), /two addresses/],
  ["a port with a zero before", line("TCP4 198.51.100.7 203.0.113.1 01 2"), /two ports/],
  ["a port too large", line("TCP4 198.51.100.7 203.0.113.1 65536 2"), /two ports/],
  ["three ports", line("TCP4 198.51.100.7 203.0.113.1 1 2 3"), /two ports/],
  ["a line without end", Buffer.from(`PROXY ${"x".repeat(110)}`), /at most 107/],
  ["version 3", Buffer.from(`${SIGNATURE}31110000`, "hex"), /unknown version/],
  ["an unknown command", Buffer.from(`${SIGNATURE}22110000`, "hex"), /unknown command/],
  ["an unknown family", Buffer.from(`${SIGNATURE}21410000`, "hex"), /unknown address family/],
  ["too few bytes", Buffer.from(`${SIGNATURE}21110004c6336407`, "hex"), /too short/],
  ["a length beyond the limit", Buffer.from(`${SIGNATURE}2111ffff`, "hex"), /at most 4096/],
];

describe("a PROXY header", () => {
  for (const [what, header, source] of ACCEPTED) {
    test(`is read: ${what}`, () => {
      const following = Buffer.from("the client's own");
      const lengthBytes = header.length;
      assert.deepEqual(parseProxyHeader(Buffer.concat([header, following])), {
        lengthBytes,
        source,
      });
      for (let length = 0; length < header.length; length++) {
        assert.equal(parseProxyHeader(header.subarray(0, length)), "more", `${length} bytes`);
      }
    });
  }

  for (const [what, bytes, fault] of REFUSED) {
    test(`is refused: ${what}`, () => {
      const result = parseProxyHeader(bytes);
      assert.ok(typeof result === "object" && "fault" in result, JSON.stringify(result));
      assert.match(result.fault, fault);
    });
  }

  test("never throws, never reads past its limit", () => {
    const seeds = [...ACCEPTED, ...REFUSED].map(([, bytes]) => bytes);
    const mutated = fc
      .tuple(
        fc.constantFrom(...seeds),
        fc.array(fc.tuple(fc.nat(300), fc.nat(255)), { maxLength: 4 }),
      )
      .map(([seed, changes]) => {
        const bytes = Buffer.from(seed);
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        return bytes;
      });
    fc.assert(
      fc.property(
        fc.oneof(
          mutated,
          fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes)),
        ),
        (bytes) => {
          const result = parseProxyHeader(bytes);
          if (typeof result === "string" || "fault" in result) return;
          assert.ok(result.lengthBytes <= Math.min(bytes.length, MAX_HEADER_BYTES));
        },
      ),
      { numRuns: 20_000 },
    );
  });
});

function line(words: string): Buffer {
  return Buffer.from(`PROXY ${words}\r\n`, "latin1");
}
