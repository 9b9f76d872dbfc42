// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { buildMerkleTree } from "../merkle/tree.ts";
import { offerMessageSchema, offerPayloadSchema, type OfferPayload } from "./offer.ts";
import {
  NONCE_BYTES,
  offerLeaves,
  offerMessages,
  offerRoot,
  offerTemplate,
  packDeviceIds,
  type OfferColumns,
} from "./offer-batch.ts";

const HOLE = "hole";

function columnsOf(ids: readonly string[]): OfferColumns {
  const open = {
    type: "muster.offer/v1" as const,
    tenant: "default",
    device: HOLE,
    rollout: 7,
    rolloutName: "pump-2",
    position: HOLE,
    generation: HOLE,
    stopEpoch: 0,
    slot: "app" as const,
    action: "remove" as const,
    nonce: HOLE,
    issuedAtMs: 1,
    expiresAtMs: 2,
  };
  return {
    templates: [offerTemplate(open, HOLE), offerTemplate({ ...open, tenant: "other" }, HOLE)],
    templateIndexes: ids.map((_, index) => index % 2),
    positions: ids.map((_, index) => index * 1_000),
    generations: ids.map((_, index) => index + 1),
    devices: packDeviceIds(ids.map((id) => Buffer.from(id))),
    nonces: Uint8Array.from({ length: ids.length * NONCE_BYTES }, (_, index) => index % 251),
  };
}

describe("a batch of offers", () => {
  test("becomes one whole payload a device, each with a nonce of its own", () => {
    const ids = ["a", "press-1", "x".repeat(128)];
    const leaves = offerLeaves(columnsOf(ids)) ?? [];
    const payloads = leaves.map((leaf): OfferPayload =>
      offerPayloadSchema.parse(JSON.parse(leaf.toString())),
    );
    assert.deepEqual(
      payloads.map(({ device, tenant, position, generation }) => [
        device,
        tenant,
        position,
        generation,
      ]),
      ids.map((id, index) => [id, index === 1 ? "other" : "default", index * 1_000, index + 1]),
    );
    assert.equal(new Set(payloads.map(({ nonce }) => nonce)).size, ids.length);
  });

  test("carries each device's leaf and proof in a message that the schema takes", () => {
    const leaves = offerLeaves(columnsOf(["a", "b", "c"])) ?? [];
    const signed = { head: "aGVhZA==", signature: `${"A".repeat(86)}==`, keyId: "0".repeat(64) };
    const messages = offerMessages(leaves, signed);
    messages.forEach((bytes, index) => {
      const message = offerMessageSchema.parse(JSON.parse(bytes.toString()));
      assert.equal(message.leafIndex, index);
      assert.deepEqual(Buffer.from(message.payload, "base64"), leaves[index]);
    });
  });

  test("whose columns do not belong together is refused", () => {
    const columns = columnsOf(["a", "bc"]);
    const wrong: Partial<OfferColumns>[] = [
      { generations: [1] },
      { nonces: columns.nonces.subarray(1) },
      { devices: columns.devices.subarray(0, 3) },
      { devices: Uint8Array.of(0, 2, 98, 99) },
      { devices: Uint8Array.of(1, 97, 2, 98, 99, 7) },
      { templateIndexes: [0, 2] },
      { templates: [["a", "b"]] },
    ];
    for (const change of wrong) {
      assert.equal(offerLeaves({ ...columns, ...change }), null);
      assert.equal(offerRoot({ ...columns, ...change }), null);
    }
  });

  test("has the root that its leaves have", () => {
    for (const count of [1, 2, 5]) {
      const columns = columnsOf(Array.from({ length: count }, (_, index) => `device-${index}`));
      assert.deepEqual(offerRoot(columns), buildMerkleTree(offerLeaves(columns) ?? []).rootHash);
    }
  });
});
