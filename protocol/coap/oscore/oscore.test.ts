// SPDX-License-Identifier: Apache-2.0
/** The test vectors of RFC 8613, Appendix C, and what must not verify. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decodeMessage } from "../decoder.ts";
import { encodeMessage } from "../encoder.ts";
import type { DecodedMessage } from "../message.ts";
import { OptionNumber } from "../options.ts";
import { open, seal } from "./aead.ts";
import { encodeInner } from "./inner-message.ts";
import { deriveKeys, type ContextInput } from "./key-derivation.ts";
import { OscoreClient } from "./oscore-client.ts";
import { decodeOscoreOption, encodeOscoreOption, encodePartialIv } from "./oscore-option.ts";
import { received, WINDOW_SIZE, windowFrom, type ReplayWindow } from "./replay-window.ts";

function bytes(hex: string): Buffer {
  return Buffer.from(hex, "hex");
}

const masterSecret = bytes("0102030405060708090a0b0c0d0e0f10");
const NONE = bytes("");

/** Contexts of C.1, C.2 and C.3, the client's side. */
const CONTEXTS = {
  "C.1": {
    masterSecret,
    masterSalt: bytes("9e7ca92223786340"),
    senderId: NONE,
    recipientId: bytes("01"),
    idContext: null,
  },
  "C.2": {
    masterSecret,
    masterSalt: NONE,
    senderId: bytes("00"),
    recipientId: bytes("01"),
    idContext: null,
  },
  "C.3": {
    masterSecret,
    masterSalt: bytes("9e7ca92223786340"),
    senderId: NONE,
    recipientId: bytes("01"),
    idContext: bytes("37cbf3210017a2d3"),
  },
} as const satisfies Record<string, ContextInput>;

const KEYS: Readonly<Record<keyof typeof CONTEXTS, readonly [string, string, string]>> = {
  "C.1": [
    "f0910ed7295e6ad4b54fc793154302ff",
    "ffb14e093c94c9cac9471648b4f98710",
    "4622d4dd6d944168eefb54987c",
  ],
  "C.2": [
    "321b26943253c7ffb6003b0b64d74041",
    "e57b5635815177cd679ab4bcec9d7dda",
    "be35ae297d2dace910c52e99f9",
  ],
  "C.3": [
    "af2a1300a5e95788b356336eeecd2b92",
    "e39a0c7c77b43f03b4b39ab9a268699f",
    "2ca58fb85ff1b81c0b7181b85e",
  ],
};

function decoded(hex: string): DecodedMessage {
  const message = decodeMessage(bytes(hex));
  assert.ok(!("fault" in message));
  return message;
}

describe("keys of RFC 8613", () => {
  for (const name of ["C.1", "C.2", "C.3"] as const) {
    test(`${name}, the client's and the server's`, () => {
      const input = CONTEXTS[name];
      const [senderKey, recipientKey, commonIv] = KEYS[name].map(bytes);
      assert.deepEqual(deriveKeys(input), { senderKey, recipientKey, commonIv });
      const { senderId: recipientId, recipientId: senderId } = input;
      const server = deriveKeys({ ...input, senderId, recipientId });
      assert.deepEqual(server, { senderKey: recipientKey, recipientKey: senderKey, commonIv });
    });
  }
});

const REQUESTS = {
  "C.4": [
    "C.1",
    "44015d1f00003974396c6f63616c686f737483747631",
    "44025d1f00003974396c6f63616c686f7374620914ff612f1092f1776f1c1668b3825e",
  ],
  "C.5": [
    "C.2",
    "440171c30000b932396c6f63616c686f737483747631",
    "440271c30000b932396c6f63616c686f737463091400ff4ed339a5a379b0b8bc731fffb0",
  ],
  "C.6": [
    "C.3",
    "44012f8eef9bbf7a396c6f63616c686f737483747631",
    "44022f8eef9bbf7a396c6f63616c686f73746b19140837cbf3210017a2d3ff72cd7273fd331ac45cffbe55c3",
  ],
} as const;

describe("messages of RFC 8613", () => {
  for (const [name, [context, request, expected]] of Object.entries(REQUESTS)) {
    test(`${name}: a request`, () => {
      const client = new OscoreClient(CONTEXTS[context], 20);
      const { message, partialIv } = client.protect(decoded(request));
      assert.equal(encodeMessage(message).toString("hex"), expected);
      assert.deepEqual(partialIv, bytes("14"));
    });
  }

  const hello = encodeInner(0x45, [], Buffer.from("Hello World!"));
  const answered = {
    key: bytes(KEYS["C.1"][1]),
    commonIv: bytes(KEYS["C.1"][2]),
    requestKid: NONE,
    requestPartialIv: bytes("14"),
  };
  const answers = {
    "C.7": [
      { nonceId: NONE, noncePartialIv: bytes("14") },
      "64445d1f0000397490ffdbaad1e9a7e7b2a813d3c31524378303cdafae119106",
    ],
    "C.8": [
      { nonceId: bytes("01"), noncePartialIv: bytes("00") },
      "64445d1f00003974920100ff4d4c13669384b67354b2b6175ff4b8658c666a6cf88e",
    ],
  } as const;
  for (const [name, [nonce, whole]] of Object.entries(answers)) {
    test(`${name}: an answer, made and verified`, () => {
      const answer = decoded(whole);
      assert.deepEqual(seal({ ...answered, ...nonce }, hello), answer.payload);
      const client = new OscoreClient(CONTEXTS["C.1"]);
      const inner = client.unprotect(answer, bytes("14"));
      assert.deepEqual([inner?.code, inner?.payload.toString()], [0x45, "Hello World!"]);
      assert.equal(client.unprotect(answer, bytes("15")), null, "it answers another request");
    });
  }
});

describe("what OSCORE refuses", () => {
  test("a ciphertext that was changed, and one that is too short", () => {
    const sealed = {
      key: bytes(KEYS["C.1"][0]),
      commonIv: bytes(KEYS["C.1"][2]),
      nonceId: bytes("01020304050607"),
      noncePartialIv: bytes("0102030405"),
      requestKid: bytes("01020304050607"),
      requestPartialIv: bytes("0102030405"),
    };
    const plaintext = Buffer.from("a heartbeat");
    const ciphertext = seal(sealed, plaintext);
    assert.deepEqual(open(sealed, ciphertext), plaintext);
    for (let index = 0; index < ciphertext.length; index += 1) {
      const changed = Buffer.from(ciphertext);
      changed[index] = (changed[index] as number) ^ 1;
      assert.equal(open(sealed, changed), null);
    }
    assert.equal(open({ ...sealed, requestKid: bytes("01") }, ciphertext), null);
    assert.equal(open({ ...sealed, nonceId: bytes("01") }, ciphertext), null);
    assert.equal(open(sealed, Buffer.alloc(8)), null);
    assert.equal(open(sealed, Buffer.alloc(0)), null);
  });

  test("an option that does not decode", () => {
    for (const hex of ["00", "06", "07", "20", "80", "0114ff", "02", "0a14", "1814", "19140837"]) {
      assert.equal(decodeOscoreOption(bytes(hex)), null, hex);
    }
  });

  test("the examples of §6.3 decode and encode", () => {
    const examples = {
      "090525": { partialIv: bytes("05"), kid: bytes("25"), kidContext: null },
      "0900": { partialIv: bytes("00"), kid: NONE, kidContext: null },
      "19050544616c656b": { partialIv: bytes("05"), kid: NONE, kidContext: bytes("44616c656b") },
      "": { partialIv: null, kid: null, kidContext: null },
      "0107": { partialIv: bytes("07"), kid: null, kidContext: null },
    };
    for (const [hex, header] of Object.entries(examples)) {
      assert.deepEqual(decodeOscoreOption(bytes(hex)), header, hex);
      assert.equal(encodeOscoreOption(header).toString("hex"), hex);
    }
    assert.equal(OptionNumber.Oscore, 9);
  });

  test("a Partial IV has no leading zeros", () => {
    assert.deepEqual(encodePartialIv(0), bytes("00"));
    assert.deepEqual(encodePartialIv(255), bytes("ff"));
    assert.deepEqual(encodePartialIv(256), bytes("0100"));
    assert.deepEqual(encodePartialIv(2 ** 40 - 1), bytes("ffffffffff"));
  });
});

describe("replay window", () => {
  const fresh: ReplayWindow = { highest: -1, received: 0 };

  function taken(sequences: readonly number[], from: ReplayWindow = fresh): boolean[] {
    let window = from;
    return sequences.map((sequence) => {
      const next = received(window, sequence);
      window = next ?? window;
      return next !== null;
    });
  }

  test("takes each number once, in any order within its size", () => {
    assert.deepEqual(taken([0, 1, 1, 0, 3, 2, 2, 3]), [
      true,
      true,
      false,
      false,
      true,
      true,
      false,
      false,
    ]);
    assert.deepEqual(taken([40, 9, 8]), [true, true, false]);
    assert.deepEqual(taken([40, 40 - WINDOW_SIZE + 1, 72, 41, 40]), [
      true,
      true,
      true,
      true,
      false,
    ]);
  });

  test("agrees with a set of all numbers, as far as it reaches", () => {
    let window = fresh;
    const seen = new Set<number>();
    let seed = 1;
    for (let count = 0; count < 20_000; count += 1) {
      seed = (seed * 48_271) % 0x7fff_ffff;
      const sequence = Math.max(0, 2 ** 39 + Math.floor(count / 3) + (seed % 50) - 25);
      const isOld = sequence <= window.highest - WINDOW_SIZE;
      const next = received(window, sequence);
      assert.equal(next !== null, !isOld && !seen.has(sequence), `number ${sequence}`);
      if (next === null) continue;
      window = next;
      seen.add(sequence);
    }
  });

  test("that begins with a number takes nothing before it", () => {
    assert.deepEqual(taken([100, 99, 101, 70, 100], windowFrom(100)), [
      false,
      false,
      true,
      false,
      false,
    ]);
  });
});
