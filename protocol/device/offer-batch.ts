// SPDX-License-Identifier: Apache-2.0
/**
 * The offers of a plan lease as what they share and what each has of its own: a text with four
 * holes, and per device its id, position, generation and nonce. Center and gateway build the same
 * leaves of the same Merkle tree from it; the center signs the root, the gateway makes each
 * device's message. So a lease carries about 60 bytes a device instead of 1,500, and the proofs
 * are made where there are many processors: at the gateways.
 */
import { assert } from "../../domain/assert.ts";
import {
  buildMerkleTree,
  MERKLE_HASH_BYTES,
  merkleRoot,
  writeLeafHash,
  type MerkleTree,
} from "../merkle/tree.ts";
import { MAX_OFFER_BYTES, type OfferMessage, type OfferPayload } from "./offer.ts";

/** Random bytes of a nonce; a multiple of three, so that nonces are cut out of one base64 text. */
export const NONCE_BYTES = 18;
const NONCE_CHARACTERS = 24;

/** The payload's JSON around its holes: device, position, generation, nonce, in this order. */
export type OfferTemplate = readonly string[];

/** What is different in each payload. */
type Holes = "device" | "position" | "generation" | "nonce";

/** A payload with its holes open; they come in this order. */
export type OpenPayload = Omit<OfferPayload, Holes> & Record<Holes, string>;

/** The unsigned part of a batch; the n-th element of each column belongs to the n-th device. */
export interface OfferColumns {
  readonly templates: readonly OfferTemplate[];
  /** Which template; empty = the first for all. */
  readonly templateIndexes: readonly number[];
  readonly positions: readonly number[];
  readonly generations: readonly number[];
  /** Device ids, each behind a byte that says its length. */
  readonly devices: Uint8Array;
  /** NONCE_BYTES each. */
  readonly nonces: Uint8Array;
}

/** The signed statement over the batch, as each message carries it. */
export type SignedHead = Pick<OfferMessage, "head" | "signature" | "keyId">;

/**
 * Cuts a payload's JSON at its holes, each of which holds the text `hole`: one drawn at random, so
 * that nothing else in a payload can look like it.
 */
export function offerTemplate(payload: OpenPayload, hole: string): OfferTemplate {
  const parts = JSON.stringify(payload).split(`"${hole}"`);
  assert(parts.length === 5, "an offer has four holes");
  const [
    beforeDevice = "",
    beforePosition = "",
    beforeGeneration = "",
    beforeNonce = "",
    end = "",
  ] = parts;
  return [`${beforeDevice}"`, `"${beforePosition}`, beforeGeneration, `${beforeNonce}"`, `"${end}`];
}

/** The payloads' bytes, leaf by leaf. null when the columns do not belong together. */
export function offerLeaves(columns: OfferColumns): Buffer[] | null {
  const leaves: Buffer[] = [];
  const isWhole = visitLeaves(columns, (prefixed) =>
    leaves.push(Buffer.from(prefixed.subarray(1))),
  );
  return isWhole ? leaves : null;
}

/** The root of the tree over the leaves, of which none is kept. null as above. */
export function offerRoot(columns: OfferColumns): Buffer | null {
  const hashes = Buffer.allocUnsafe(columns.positions.length * MERKLE_HASH_BYTES);
  const isWhole = visitLeaves(columns, (prefixed, index) => {
    writeLeafHash(hashes, index, prefixed);
  });
  return isWhole ? merkleRoot(hashes) : null;
}

/** `prefixed`: a zero byte and the leaf behind it, gone with the next. False: does not fit. */
function visitLeaves(
  columns: OfferColumns,
  visit: (prefixed: Buffer, index: number) => void,
): boolean {
  const count = columns.positions.length;
  const { devices } = columns;
  if (columns.generations.length !== count) return false;
  if (columns.nonces.length !== count * NONCE_BYTES) return false;
  const templates = columns.templates.map((parts) => parts.map((part) => Buffer.from(part)));
  const nonces = Buffer.from(
    Buffer.from(columns.nonces.buffer, columns.nonces.byteOffset, columns.nonces.length).toString(
      "base64url",
    ),
    "latin1",
  );
  let device = 0;
  const scratch = Buffer.allocUnsafe(1 + MAX_OFFER_BYTES);
  scratch[0] = 0;
  for (let index = 0; index < count; index++) {
    const parts = templates[columns.templateIndexes[index] ?? 0];
    const length = devices[device] ?? 0;
    if (parts?.length !== 5 || length === 0 || device + length >= devices.length) return false;
    const id = devices.subarray(device + 1, device + 1 + length);
    device += 1 + length;
    let end = append(scratch, 1, parts[0]);
    end = append(scratch, end, id);
    end = append(scratch, end, parts[1]);
    end = appendDecimal(scratch, end, columns.positions[index] ?? 0);
    end = append(scratch, end, parts[2]);
    end = appendDecimal(scratch, end, columns.generations[index] ?? 0);
    end = append(scratch, end, parts[3]);
    const nonce = index * NONCE_CHARACTERS;
    end = append(scratch, end, nonces.subarray(nonce, nonce + NONCE_CHARACTERS));
    end = append(scratch, end, parts[4]);
    visit(scratch.subarray(0, end), index);
  }
  return device === devices.length;
}

function append(into: Buffer, offset: number, bytes: Uint8Array | undefined): number {
  assert(bytes !== undefined, "a template has five parts");
  into.set(bytes, offset);
  return offset + bytes.length;
}

function appendDecimal(into: Buffer, offset: number, value: number): number {
  return offset + into.write(String(value), offset, "latin1");
}

/** The message for each device's `down/offer`, in order: leaf, proof and the signed head. */
export function offerMessages(
  leaves: readonly Buffer[],
  signed: SignedHead,
  tree: MerkleTree = buildMerkleTree(leaves),
): Buffer[] {
  return leaves.map((leaf, leafIndex) => {
    const proof = tree.proof(leafIndex).map((node) => node.toString("base64"));
    const message: OfferMessage = { payload: leaf.toString("base64"), leafIndex, proof, ...signed };
    const bytes = Buffer.from(JSON.stringify(message));
    assert(bytes.length <= MAX_OFFER_BYTES, "an offer is within its limit on the wire");
    return bytes;
  });
}

/** Packs device ids, each behind a byte that says its length. */
export function packDeviceIds(ids: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const id of ids) length += 1 + id.length;
  const packed = new Uint8Array(length);
  let offset = 0;
  for (const id of ids) {
    packed[offset] = id.length;
    packed.set(id, offset + 1);
    offset += 1 + id.length;
  }
  return packed;
}
