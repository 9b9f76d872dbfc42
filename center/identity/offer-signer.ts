// SPDX-License-Identifier: Apache-2.0
/**
 * Signs what the center sends down: a batch of offers as one Merkle tree under one Ed25519
 * signature (a signature costs 70–100 µs, so a million of them would take longer than the rollout
 * they are for), and the time of day, bound to the asker's nonce.
 *
 * One key signs both. That is safe because the signed bytes say what they are: a tree head begins
 * with the type `muster.offer-head/v1`, a time with `muster.time/v1`, and a verifier takes no
 * other. Devices learn the key from the TUF target `muster/offer-keys.json`.
 */
import { sign } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { join } from "node:path";
import assert from "node:assert/strict";
import { offerMessages, type SignedHead } from "../../protocol/device/offer-batch.ts";
import type { OfferPayload, OfferTreeHead } from "../../protocol/device/offer.ts";
import type { SignedTime } from "../../protocol/device/enrolment.ts";
import { buildMerkleTree } from "../../protocol/merkle/tree.ts";
import { makePrivateFolder } from "../../protocol/trust/durable-file.ts";
import { offerKeyId, rawPublicKeyOf } from "../../protocol/trust/ed25519.ts";
import { loadOrCreateKey } from "./online-key.ts";

/**
 * Most offers of one batch. A batch task has at most 1,000 attempts; at 10,000 the proof has 14
 * hashes and signing blocks for about 60 ms.
 */
export const MAX_SIGNED_OFFERS = 10_000;

/** The part of a tree that is signed. */
export interface TreeHead {
  readonly rootHash: Uint8Array;
  readonly leafCount: number;
}

/** Loads the offer key from `directory`/offer.key.pem, or makes it at the first start. */
export async function openOfferSigner(options: { directory: string }): Promise<OfferSigner> {
  await makePrivateFolder(options.directory);
  const key = await loadOrCreateKey(join(options.directory, "offer.key.pem"));
  return new OfferSigner({ key });
}

export class OfferSigner {
  /** 32 bytes. */
  readonly publicKeyRaw: Buffer;
  /** SHA-256 (hex) of `publicKeyRaw`. */
  readonly keyId: string;
  readonly #key: KeyObject;

  constructor(options: { key: KeyObject }) {
    this.#key = options.key;
    this.publicKeyRaw = rawPublicKeyOf(options.key);
    this.keyId = offerKeyId(this.publicKeyRaw);
  }

  /** Signs a tree: what each device's message carries beside its own proof. */
  signHead({ rootHash, leafCount }: TreeHead, nowMs: number): SignedHead {
    const isLegal = leafCount >= 1 && leafCount <= MAX_SIGNED_OFFERS;
    assert.ok(isLegal, "size of the batch");
    const head: OfferTreeHead = {
      type: "muster.offer-head/v1",
      treeSize: leafCount,
      rootHash: Buffer.from(rootHash).toString("base64"),
      issuedAtMs: nowMs,
    };
    const headBytes = Buffer.from(JSON.stringify(head));
    return {
      head: headBytes.toString("base64"),
      signature: sign(null, headBytes, this.#key).toString("base64"),
      keyId: this.keyId,
    };
  }

  /**
   * The messages for `down/offer`, in the order of the payloads, each the JSON of one
   * `OfferMessage` ready to send. Asserts 1 to 10,000 payloads.
   */
  signOffers(payloads: readonly OfferPayload[], nowMs: number): Buffer[] {
    const leaves = payloads.map((payload) => Buffer.from(JSON.stringify(payload)));
    const tree = buildMerkleTree(leaves);
    return offerMessages(leaves, this.signHead(tree, nowMs), tree);
  }

  /** The time for the asker of this nonce and for nobody else. */
  signTime(nonce: string, nowMs: number): SignedTime {
    const payload = Buffer.from(JSON.stringify({ type: "muster.time/v1", nonce, atMs: nowMs }));
    return {
      payload: payload.toString("base64"),
      signature: sign(null, payload, this.#key).toString("base64"),
      keyId: this.keyId,
    };
  }
}
