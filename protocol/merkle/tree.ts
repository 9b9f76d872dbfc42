// SPDX-License-Identifier: Apache-2.0
/**
 * Merkle trees as RFC 9162 §2.1 defines them, with SHA-256: one signature over the root covers
 * every leaf, and a leaf travels with at most 32 hashes that prove it belongs to the tree.
 *
 * A leaf is hashed behind a 0x00 byte and a pair behind 0x01, so that no inner node can be passed
 * off as a leaf. The tree of n leaves splits at the largest power of two below n, which is the same
 * as pairing neighbours level by level and carrying a last odd node up unchanged: that is how it
 * is built here, bottom up, all levels kept (2n hashes), so that each proof is only a copy.
 */
import { hash } from "node:crypto";
import { MusterError } from "../../domain/errors.ts";

/** Bytes of a SHA-256 hash. */
export const MERKLE_HASH_BYTES = 32;

/** Most leaves of a tree: a leaf index is a uint32 on the wire. */
export const MAX_MERKLE_LEAVES = 0xffff_ffff;

const LEAF_PREFIX = Buffer.of(0);
const NODE_PREFIX = Buffer.of(1);

export interface MerkleTree {
  /** 32 bytes; of the empty tree SHA-256 of nothing (RFC 9162 §2.1.1). */
  readonly rootHash: Buffer;
  readonly leafCount: number;
  /** Inclusion proof of a leaf, from the leaf up (RFC 9162 §2.1.3.1). Asserts index < leafCount. */
  proof(index: number): Buffer[];
}

/** Builds the tree over the leaves in the order given; 2n hashes, about 0.5 µs each. */
export function buildMerkleTree(leaves: readonly Uint8Array[]): MerkleTree {
  const levels: Buffer[] = [hashLeaves(leaves)];
  const rootHash = merkleRoot(levels[0] ?? Buffer.alloc(0), (level) => levels.push(level));
  return {
    rootHash,
    leafCount: leaves.length,
    proof: (index: number): Buffer[] => proofFrom(levels, leaves.length, index),
  };
}

/** The root over leaf hashes, one behind the other; hands out each level above them. */
export function merkleRoot(
  leafHashes: Buffer,
  take: (level: Buffer) => void = () => undefined,
): Buffer {
  let level = leafHashes;
  while (level.length > MERKLE_HASH_BYTES) {
    level = hashPairs(level);
    take(level);
  }
  return level.length === 0 ? sha256(level) : level;
}

/** Writes the hash of leaf number `index`; `prefixed` is the leaf behind a zero byte. */
export function writeLeafHash(leafHashes: Buffer, index: number, prefixed: Buffer): void {
  hashInto(leafHashes, index * MERKLE_HASH_BYTES, prefixed);
}

/**
 * Whether `leaf` is leaf number `index` of the tree of `treeSize` leaves with that root, by the
 * algorithm of RFC 9162 §2.1.3.2. Never throws: a proof of any shape is only right or wrong.
 */
export function verifyInclusion(options: {
  leaf: Uint8Array;
  index: number;
  treeSize: number;
  proof: readonly Uint8Array[];
  rootHash: Uint8Array;
}): boolean {
  const { leaf, index, treeSize, proof, rootHash } = options;
  if (!Number.isInteger(index) || !Number.isInteger(treeSize)) return false;
  if (index < 0 || index >= treeSize || treeSize > MAX_MERKLE_LEAVES) return false;
  let firstNumber = index >>> 0;
  let secondNumber = (treeSize - 1) >>> 0;
  let running = hashLeaf(leaf);
  for (const sibling of proof) {
    if (secondNumber === 0 || sibling.length !== MERKLE_HASH_BYTES) return false;
    if ((firstNumber & 1) === 1 || firstNumber === secondNumber) {
      running = hashNode(sibling, running);
      while ((firstNumber & 1) === 0 && firstNumber !== 0) {
        firstNumber >>>= 1;
        secondNumber >>>= 1;
      }
    } else {
      running = hashNode(running, sibling);
    }
    firstNumber >>>= 1;
    secondNumber >>>= 1;
  }
  // Public values: a comparison in constant time would protect nothing.
  return secondNumber === 0 && running.equals(rootHash);
}

function hashLeaves(leaves: readonly Uint8Array[]): Buffer {
  if (leaves.length > MAX_MERKLE_LEAVES) {
    throw new MusterError({
      code: "too_large",
      message: `a Merkle tree holds at most ${MAX_MERKLE_LEAVES} leaves, not ${leaves.length}`,
    });
  }
  const level = Buffer.allocUnsafe(leaves.length * MERKLE_HASH_BYTES);
  const longest = leaves.reduce((most, leaf) => Math.max(most, leaf.length), 0);
  const prefixed = Buffer.allocUnsafe(1 + longest);
  LEAF_PREFIX.copy(prefixed);
  for (const [index, leaf] of leaves.entries()) {
    prefixed.set(leaf, 1);
    writeLeafHash(level, index, prefixed.subarray(0, 1 + leaf.length));
  }
  return level;
}

/** The level above: neighbours hashed together, a last odd one carried up. */
function hashPairs(level: Buffer): Buffer {
  const count = level.length / MERKLE_HASH_BYTES;
  const above = Buffer.allocUnsafe(Math.ceil(count / 2) * MERKLE_HASH_BYTES);
  const pair = Buffer.allocUnsafe(1 + 2 * MERKLE_HASH_BYTES);
  NODE_PREFIX.copy(pair);
  for (let index = 0; index + 1 < count; index += 2) {
    const start = index * MERKLE_HASH_BYTES;
    level.copy(pair, 1, start, start + 2 * MERKLE_HASH_BYTES);
    hashInto(above, start / 2, pair);
  }
  if (count % 2 === 1) {
    above.set(nodeAt(level, count - 1), above.length - MERKLE_HASH_BYTES);
  }
  return above;
}

function proofFrom(levels: readonly Buffer[], leafCount: number, index: number): Buffer[] {
  if (!Number.isInteger(index) || index < 0 || index >= leafCount) {
    throw new RangeError(`assertion failed: leaf ${index} of a tree of ${leafCount}`);
  }
  const proof: Buffer[] = [];
  let position = index;
  for (const level of levels) {
    const sibling = position ^ 1;
    if ((sibling + 1) * MERKLE_HASH_BYTES <= level.length) proof.push(nodeAt(level, sibling));
    position >>>= 1;
  }
  return proof;
}

function nodeAt(level: Buffer, index: number): Buffer {
  return level.subarray(index * MERKLE_HASH_BYTES, (index + 1) * MERKLE_HASH_BYTES);
}

function hashLeaf(leaf: Uint8Array): Buffer {
  return sha256(Buffer.concat([LEAF_PREFIX, leaf]));
}

function hashNode(left: Uint8Array, right: Uint8Array): Buffer {
  return sha256(Buffer.concat([NODE_PREFIX, left, right]));
}

/**
 * Writes the hash of `bytes` into `level`. As text of one byte a character it takes a third of the
 * time that a Buffer of its own takes, which is most of the time of hashing so little.
 */
function hashInto(level: Buffer, offset: number, bytes: Buffer): void {
  level.write(hash("sha256", bytes, "latin1"), offset, "latin1");
}

function sha256(bytes: Buffer): Buffer {
  return hash("sha256", bytes, "buffer");
}
