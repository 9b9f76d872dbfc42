// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { buildMerkleTree, verifyInclusion } from "./tree.ts";

/** The leaves and roots of Certificate Transparency's own tests, by number of leaves. */
const KNOWN_LEAVES = [
  "",
  "00",
  "10",
  "2021",
  "3031",
  "40414243",
  "5051525354555657",
  "606162636465666768696a6b6c6d6e6f",
].map((hex) => Buffer.from(hex, "hex"));
const KNOWN_ROOTS = [
  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

/** The definition of RFC 9162 §2.1.1, word for word and as slow as it reads. */
function definedHash(leaves: readonly Uint8Array[]): Buffer {
  if (leaves.length === 0) return createHash("sha256").digest();
  if (leaves.length === 1) {
    return createHash("sha256").update(Buffer.of(0)).update(leaves[0]!).digest();
  }
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return createHash("sha256")
    .update(Buffer.of(1))
    .update(definedHash(leaves.slice(0, split)))
    .update(definedHash(leaves.slice(split)))
    .digest();
}

describe("a Merkle tree", () => {
  it("has the known roots of Certificate Transparency for 0 to 8 leaves", () => {
    for (const [count, root] of KNOWN_ROOTS.entries()) {
      const tree = buildMerkleTree(KNOWN_LEAVES.slice(0, count));
      assert.equal(tree.rootHash.toString("hex"), root, `${count} leaves`);
    }
  });

  it("proves leaf 5 of 8 and leaf 6 of 7 with the known hashes", () => {
    const eight = buildMerkleTree(KNOWN_LEAVES);
    assert.deepEqual(
      eight.proof(5).map((node) => node.toString("hex")),
      [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
      ],
    );
    // Leaf 6 of 7 has no neighbour on the first level: two hashes are enough.
    assert.equal(buildMerkleTree(KNOWN_LEAVES.slice(0, 7)).proof(6).length, 2);
  });

  it("equals the recursive definition, and every proof of it verifies", () => {
    const leavesArbitrary = fc.array(fc.uint8Array({ maxLength: 40 }), {
      minLength: 1,
      maxLength: 70,
    });
    fc.assert(
      fc.property(leavesArbitrary, (leaves) => {
        const tree = buildMerkleTree(leaves);
        assert.deepEqual(tree.rootHash, definedHash(leaves));
        for (const [index, leaf] of leaves.entries()) {
          const proof = tree.proof(index);
          const { rootHash } = tree;
          assert.ok(verifyInclusion({ leaf, index, treeSize: leaves.length, proof, rootHash }));
        }
      }),
      { numRuns: 60 },
    );
  });

  it("refuses a proof in which any bit, the index or the size was changed", () => {
    const sizes = fc.integer({ min: 1, max: 40 });
    fc.assert(
      fc.property(sizes, fc.nat(), fc.nat(), fc.nat({ max: 7 }), (size, pick, byte, bit) => {
        const leaves = Array.from({ length: size }, (_, number) => Buffer.from(`leaf ${number}`));
        const tree = buildMerkleTree(leaves);
        const index = pick % size;
        const leaf = leaves[index]!;
        const whole = { leaf, index, treeSize: size, rootHash: tree.rootHash };
        const proof = tree.proof(index);
        const flat = Buffer.concat([leaf, ...proof, tree.rootHash]);
        flat[byte % flat.length]! ^= 1 << bit;
        const changedProof = proof.map((_, step) =>
          flat.subarray(leaf.length + step * 32, leaf.length + step * 32 + 32),
        );
        assert.ok(
          !verifyInclusion({
            ...whole,
            leaf: flat.subarray(0, leaf.length),
            proof: changedProof,
            rootHash: flat.subarray(flat.length - 32),
          }),
        );
        assert.ok(!verifyInclusion({ ...whole, proof: [...proof, Buffer.alloc(32)] }));
        if (proof.length > 0) assert.ok(!verifyInclusion({ ...whole, proof: proof.slice(1) }));
        const other = (index + 1) % size;
        if (other !== index) assert.ok(!verifyInclusion({ ...whole, proof, index: other }));
      }),
      { numRuns: 200 },
    );
  });

  it("refuses positions outside the tree and hashes of another length without throwing", () => {
    const leaf = Buffer.from("only");
    const { rootHash } = buildMerkleTree([leaf]);
    const good = { leaf, index: 0, treeSize: 1, proof: [], rootHash };
    assert.ok(verifyInclusion(good));
    for (const index of [-1, 1, 0.5, Number.NaN, 2 ** 32]) {
      assert.ok(!verifyInclusion({ ...good, index }), String(index));
    }
    assert.ok(!verifyInclusion({ ...good, treeSize: 0 }));
    assert.ok(!verifyInclusion({ ...good, treeSize: 2, proof: [Buffer.alloc(31)] }));
    assert.throws(() => buildMerkleTree([leaf]).proof(1), /leaf 1 of a tree of 1/);
  });
});
