// SPDX-License-Identifier: Apache-2.0
/** The center's signatures meet the device's checks: offers and the time. */
import assert from "node:assert/strict";
import { sign } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { OfferVerifier } from "../../../agent/trust/offer-verifier.ts";
import type { OfferVerdict } from "../../../agent/trust/offer-verifier.ts";
import { readSignedTime } from "../../../agent/trust/working-time.ts";
import { OfferSigner, openOfferSigner } from "../../../center/identity/offer-signer.ts";
import type { OfferKeys } from "../../../protocol/device/enrolment.ts";
import { MAX_OFFER_BYTES, offerMessageSchema } from "../../../protocol/device/offer.ts";
import type { OfferMessage, OfferPayload } from "../../../protocol/device/offer.ts";
import { buildMerkleTree } from "../../../protocol/merkle/tree.ts";
import { generateEd25519Pem, readEd25519Pem } from "../../../protocol/trust/ed25519.ts";

const NOW_MS = Date.UTC(2026, 5, 1);

function offerFor(device: string, change: Partial<OfferPayload> = {}): OfferPayload {
  return {
    type: "muster.offer/v1",
    tenant: "default",
    device,
    rollout: 7,
    rolloutName: "pump-2",
    position: 0,
    generation: 3,
    stopEpoch: 0,
    slot: "app",
    action: "install",
    release: {
      name: "pump",
      version: "2.0.0",
      target: "releases/default/pump/2.0.0.json",
      sha256: "a".repeat(64),
      lengthBytes: 100,
    },
    nonce: "AAAAAAAAAAAAAAAAAAAAAA",
    issuedAtMs: NOW_MS,
    expiresAtMs: NOW_MS + 60_000,
    ...change,
  };
}

function newKey(): KeyObject {
  return readEd25519Pem(generateEd25519Pem(), "key");
}

function keysOf(signer: OfferSigner): OfferKeys {
  const keys = [signer.publicKeyRaw.toString("base64")];
  return { schema: "muster.offer-keys/v1", keys };
}

function parse(bytes: Buffer): OfferMessage {
  return offerMessageSchema.parse(JSON.parse(bytes.toString("utf8")));
}

function check(verifier: OfferVerifier, message: unknown, device = "press-1"): OfferVerdict {
  return verifier.verify({ message, tenant: "default", device, workingTimeMs: NOW_MS + 1_000 });
}

function assertRefused(verdict: OfferVerdict, reason: string, words: RegExp): void {
  assert.ok(!verdict.ok, "the offer was taken");
  assert.equal(verdict.reason, reason);
  assert.match(verdict.detail, words);
}

describe("a batch of offers", () => {
  it("is verified by each device it is for, at any size of the batch", () => {
    const signer = new OfferSigner({ key: newKey() });
    const verifier = new OfferVerifier({ keys: keysOf(signer) });
    for (const count of [1, 2, 3, 8, 100]) {
      const payloads = Array.from({ length: count }, (_, index) => offerFor(`press-${index}`));
      const messages = signer.signOffers(payloads, NOW_MS);
      for (const [index, message] of messages.entries()) {
        const verdict = check(verifier, parse(message), `press-${index}`);
        assert.deepEqual(verdict, { ok: true, offer: payloads[index] });
      }
    }
  });

  it("fits the limit of a message with the longest names in the largest batch", () => {
    const signer = new OfferSigner({ key: newKey() });
    const release = {
      name: "n".repeat(63),
      version: "v".repeat(128),
      target: "t".repeat(512),
      sha256: "a".repeat(64),
      lengthBytes: 2 ** 40,
    };
    const longest = offerFor("d".repeat(128), { rolloutName: "r".repeat(63), release });
    const [message] = signer.signOffers(
      Array.from({ length: 10_000 }, () => longest),
      NOW_MS,
    );
    assert.ok(message!.length < MAX_OFFER_BYTES);
    parse(message!);
  });

  it("is refused with any part of a message exchanged or changed", () => {
    const signer = new OfferSigner({ key: newKey() });
    const verifier = new OfferVerifier({ keys: keysOf(signer) });
    const batch = ["press-1", "press-2", "press-3"].map((device) => offerFor(device));
    const [good, other] = signer.signOffers(batch, NOW_MS).map(parse) as [
      OfferMessage,
      OfferMessage,
    ];
    const [elsewhere] = signer.signOffers([offerFor("press-1")], NOW_MS + 1).map(parse);
    const payload = Buffer.from(JSON.stringify(offerFor("press-1", { generation: 9 })));
    const notPart = /not part of what was signed/;
    const changes: readonly [Partial<OfferMessage>, RegExp][] = [
      [{ payload: payload.toString("base64") }, notPart],
      [{ payload: other.payload }, notPart],
      [{ leafIndex: 1 }, notPart],
      [{ proof: other.proof }, notPart],
      [{ proof: [] }, notPart],
      [{ head: elsewhere!.head }, /signature does not verify/],
      [{ signature: elsewhere!.signature }, /signature does not verify/],
      [{ head: elsewhere!.head, signature: elsewhere!.signature }, notPart],
      [{ keyId: "0".repeat(64) }, /key that is not announced/],
    ];
    for (const [change, words] of changes) {
      assertRefused(check(verifier, { ...good, ...change }), "untrusted-offer", words);
    }
    assert.ok(check(verifier, good).ok);
    // Remembering the head of a good batch must not let a bad signature over it through.
    const forged = { ...good, signature: elsewhere!.signature };
    assertRefused(check(verifier, forged), "untrusted-offer", /does not verify/);
  });

  it("of another key is refused, and one of a second announced key is taken", () => {
    const signer = new OfferSigner({ key: newKey() });
    const next = new OfferSigner({ key: newKey() });
    const [message] = next.signOffers([offerFor("press-1")], NOW_MS).map(parse);
    const verifier = new OfferVerifier({ keys: keysOf(signer) });
    assertRefused(check(verifier, message), "untrusted-offer", /not announced/);
    const claimed = { ...message!, keyId: signer.keyId };
    assertRefused(check(verifier, claimed), "untrusted-offer", /signature does not verify/);
    const keys = [...keysOf(signer).keys, ...keysOf(next).keys];
    const rotating = new OfferVerifier({ keys: { schema: "muster.offer-keys/v1", keys } });
    assert.ok(check(rotating, message).ok);
  });

  it("for another device or tenant, or past its end, is refused but says which it was", () => {
    const signer = new OfferSigner({ key: newKey() });
    const verifier = new OfferVerifier({ keys: keysOf(signer) });
    const mine = { tenant: "default", device: "press-1", workingTimeMs: NOW_MS + 1_000 };
    const one = (change: Partial<OfferPayload>): OfferMessage =>
      parse(signer.signOffers([offerFor("press-1", change)], NOW_MS)[0]!);
    const foreign = verifier.verify({ ...mine, message: one({ device: "press-2" }) });
    assertRefused(foreign, "not-for-this-device", /is for default\/press-2/);
    const tenant = verifier.verify({ ...mine, message: one({ tenant: "other" }) });
    assertRefused(tenant, "not-for-this-device", /is for other\/press-1/);
    const late = verifier.verify({ ...mine, message: one({}), workingTimeMs: NOW_MS + 60_001 });
    assertRefused(late, "expired", /ended at 2026-06-01T00:01:00Z/);
    assert.ok(!late.ok && late.offer?.generation === 3);
  });

  it("is refused when what was signed is no tree of offers", () => {
    const key = newKey();
    const signer = new OfferSigner({ key });
    const verifier = new OfferVerifier({ keys: keysOf(signer) });
    const time = signer.signTime("nonce-nonce-nonce", NOW_MS);
    const { payload: head, signature, keyId } = time;
    const asHead = { payload: "AAAA", leafIndex: 0, proof: [], head, signature, keyId };
    assertRefused(check(verifier, asHead), "untrusted-offer", /not the head of a tree/);

    const leaf = Buffer.from(JSON.stringify({ ...offerFor("press-1"), release: undefined }));
    const rootHash = buildMerkleTree([leaf]).rootHash.toString("base64");
    const facts = { type: "muster.offer-head/v1", treeSize: 1, rootHash, issuedAtMs: NOW_MS };
    const headBytes = Buffer.from(JSON.stringify(facts));
    const message = {
      payload: leaf.toString("base64"),
      leafIndex: 0,
      proof: [],
      head: headBytes.toString("base64"),
      signature: sign(null, headBytes, key).toString("base64"),
      keyId,
    };
    assertRefused(check(verifier, message), "untrusted-offer", /names no release/);
    for (const junk of [null, "x", {}, { ...message, extra: 1 }, { ...message, leafIndex: -1 }]) {
      assertRefused(check(verifier, junk), "untrusted-offer", /not of the form of an offer/);
    }
  });
});

describe("the signed time", () => {
  it("is read by whoever asked, and by nobody else", () => {
    const signer = new OfferSigner({ key: newKey() });
    const keys = keysOf(signer);
    const message = signer.signTime("nonce-of-mine-000", NOW_MS);
    assert.equal(readSignedTime({ message, nonce: "nonce-of-mine-000", keys }), NOW_MS);
    assert.throws(() => readSignedTime({ message, nonce: "nonce-of-mine-001", keys }), {
      code: "untrusted",
      message: "the time from the center answers another request",
    });
  });

  it("is refused when it was changed or is something else", () => {
    const signer = new OfferSigner({ key: newKey() });
    const keys = keysOf(signer);
    const nonce = "nonce-of-mine-000";
    const message = signer.signTime(nonce, NOW_MS);
    const later = Buffer.from(JSON.stringify({ type: "muster.time/v1", nonce, atMs: NOW_MS + 1 }));
    const [offer] = signer.signOffers([offerFor("press-1")], NOW_MS).map(parse);
    for (const [changed, words] of [
      [{ ...message, payload: later.toString("base64") }, /signature that does not verify/],
      [{ ...message, keyId: "0".repeat(64) }, /key that is not announced/],
      [{ ...message, payload: offer!.head, signature: offer!.signature }, /something else than/],
      [{ ...message, payload: 7 }, /not of the form/],
      [null, /not of the form/],
    ] as const) {
      assert.throws(() => readSignedTime({ message: changed, nonce, keys }), { message: words });
    }
  });
});

describe("the offer key", () => {
  it("is made once and is private", async (context) => {
    const directory = await mkdtemp(join(tmpdir(), "muster-offer-key-"));
    context.after(() => rm(directory, { recursive: true }));
    const { keyId } = await openOfferSigner({ directory });
    assert.equal((await openOfferSigner({ directory })).keyId, keyId);
    assert.equal((await stat(join(directory, "offer.key.pem"))).mode & 0o777, 0o600);
  });
});
