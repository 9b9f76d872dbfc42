// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MusterError } from "../../domain/errors.ts";
import { errorAnswer, pkcs7Answer, tokenFrom } from "./est-messages.ts";

function basic(text: string): string {
  return `Basic ${Buffer.from(text).toString("base64")}`;
}

describe("a token in a request", () => {
  it("is the password of Basic, whatever the user, or a bearer token", () => {
    assert.equal(tokenFrom(basic("device:muster-enrol.a.b")), "muster-enrol.a.b");
    assert.equal(tokenFrom(basic(":secret:with:colons")), "secret:with:colons");
    assert.equal(tokenFrom("bearer  muster-enrol.a.b "), "muster-enrol.a.b");
  });

  it("is absent from anything else", () => {
    for (const header of [undefined, "", "Basic", basic("no colon"), "Digest x", "Bearer a b"]) {
      assert.equal(tokenFrom(header), null, String(header));
    }
  });
});

describe("an answer", () => {
  it("asks to come back later, spread over some seconds, when the center is busy", () => {
    const busy = new MusterError({ code: "unavailable", message: "busy" });
    const seconds = [0, 0.5, 0.99].map(
      (spread) => errorAnswer(busy, spread).headers["retry-after"],
    );
    assert.deepEqual(seconds, ["2", "6", "9"]);
    assert.equal(errorAnswer(busy, 0).status, 503);
  });

  it("wraps base64 at 64 characters, as RFC 7030's readers expect", () => {
    const { body } = pkcs7Answer(Buffer.alloc(100));
    assert.deepEqual(
      String(body)
        .split("\n")
        .map((line) => line.length),
      [64, 64, 8, 0],
    );
  });
});
