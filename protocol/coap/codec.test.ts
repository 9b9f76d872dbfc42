// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Code, codeText, MessageType } from "./codes.ts";
import { decodeMessage, MAX_OPTIONS } from "./decoder.ts";
import { encodeEmpty, encodeMessage } from "./encoder.ts";
import type { CoapMessage } from "./message.ts";
import { OptionNumber } from "./options.ts";
import { messageArbitrary, plain } from "./testing/messages.ts";

function decode(hex: string): unknown {
  const decoded = decodeMessage(Buffer.from(hex, "hex"));
  return "fault" in decoded ? decoded.clause : plain(decoded);
}

describe("CoAP messages", () => {
  test("a request of RFC 7252, figure 16, reads as it is drawn there", () => {
    // GET /temperature, message id 0x7d34, no token.
    assert.deepEqual(decode("40017d34bb74656d7065726174757265"), {
      type: MessageType.Confirmable,
      code: Code.Get,
      messageId: 0x7d34,
      token: "",
      options: [[OptionNumber.UriPath, Buffer.from("temperature").toString("hex")]],
      payload: "",
    });
  });

  test("its response reads as it is drawn there", () => {
    assert.deepEqual(decode("60457d34ff32322e332043"), {
      type: MessageType.Acknowledgement,
      code: Code.Content,
      messageId: 0x7d34,
      token: "",
      options: [],
      payload: Buffer.from("22.3 C").toString("hex"),
    });
  });

  test("every message that we write we read back", () => {
    fc.assert(
      fc.property(messageArbitrary(), (message) => {
        const decoded = decodeMessage(encodeMessage(message));
        assert.ok(!("fault" in decoded));
        assert.deepEqual(plain(decoded), plain(message));
      }),
      { numRuns: 2_000 },
    );
  });

  test("a reset and a ping have four bytes", () => {
    assert.deepEqual(encodeEmpty(MessageType.Reset, 0x1234), Buffer.from("70001234", "hex"));
    assert.deepEqual(decode("40001234"), {
      type: MessageType.Confirmable,
      code: Code.Empty,
      messageId: 0x1234,
      token: "",
      options: [],
      payload: "",
    });
  });

  const faults: Readonly<Record<string, [hex: string, clause: string]>> = {
    "of three bytes": ["400112", "RFC 7252 §3"],
    "of version 0": ["00011234", "RFC 7252 §3"],
    "with a token of nine bytes": ["49011234000000000000000000", "RFC 7252 §3"],
    "with half a token": ["4401123400", "RFC 7252 §3"],
    "that is empty and has a token": ["4100123400", "RFC 7252 §4.1"],
    "with a marker and no payload": ["40011234ff", "RFC 7252 §3"],
    "with a reserved delta": ["40011234f0", "RFC 7252 §3.1"],
    "with a reserved length": ["400112340f", "RFC 7252 §3.1"],
    "with an option beyond its end": ["40011234b37431", "RFC 7252 §3.1"],
    "that ends in an extended delta": ["40011234e0", "RFC 7252 §3.1"],
    "with an option above 65,535": ["40011234e0ffffe0ffff", "RFC 7252 §3.1"],
  };
  for (const [which, [hex, clause]] of Object.entries(faults)) {
    test(`a message ${which} is refused`, () => {
      assert.equal(decode(hex), clause);
    });
  }

  test("more options than a gateway has use for are refused", () => {
    const option = { number: OptionNumber.UriQuery, value: Buffer.from("a") };
    const message = (count: number): Buffer =>
      encodeMessage({
        type: MessageType.Confirmable,
        code: Code.Get,
        messageId: 1,
        token: Buffer.alloc(0),
        options: Array.from({ length: count }, () => option),
        payload: Buffer.alloc(0),
      } satisfies CoapMessage);
    assert.ok(!("fault" in decodeMessage(message(MAX_OPTIONS))));
    const refused = decodeMessage(message(MAX_OPTIONS + 1));
    assert.equal("fault" in refused && refused.clause, "limit maxOptions");
  });

  test("a fault says which message is to be reset", () => {
    const fault = decodeMessage(Buffer.from("4001abcdff", "hex"));
    assert.ok("fault" in fault);
    assert.equal(fault.type, MessageType.Confirmable);
    assert.equal(fault.messageId, 0xabcd);
  });

  test("codes read as the RFCs write them", () => {
    assert.equal(codeText(Code.Content), "2.05");
    assert.equal(codeText(Code.Continue), "2.31");
    assert.equal(codeText(Code.UnsupportedContentFormat), "4.15");
    assert.equal(codeText(Code.ServiceUnavailable), "5.03");
  });
});
