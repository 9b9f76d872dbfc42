// SPDX-License-Identifier: Apache-2.0
/**
 * Decides whether an offer is the center's, for this device, and still good. Everything is verified
 * as bytes before it is parsed: the signature over the tree head, then the payload's place in that
 * tree, then what the payload says. What was refused, and why, is a reason of the report protocol.
 */
import { verify } from "node:crypto";
import type { KeyObject } from "node:crypto";
import {
  offerMessageSchema,
  offerPayloadSchema,
  offerTreeHeadSchema,
} from "../../protocol/device/offer.ts";
import type { OfferMessage, OfferPayload, OfferTreeHead } from "../../protocol/device/offer.ts";
import type { OfferKeys } from "../../protocol/device/enrolment.ts";
import type { ReportReason } from "../../protocol/device/report.ts";
import { MERKLE_HASH_BYTES, verifyInclusion } from "../../protocol/merkle/tree.ts";
import { isoTime } from "../../protocol/trust/certificate-identity.ts";
import { offerKeyId, publicKeyFromRaw } from "../../protocol/trust/ed25519.ts";

export type OfferVerdict =
  | { readonly ok: true; readonly offer: OfferPayload }
  | {
      readonly ok: false;
      readonly reason: Extract<ReportReason, "untrusted-offer" | "not-for-this-device" | "expired">;
      /** A sentence for the log and the report. */
      readonly detail: string;
      /** The verified offer where there is one: it says which attempt to report on. */
      readonly offer: OfferPayload | null;
    };

/**
 * Tree heads whose signature is known to verify. A device needs one; a simulator that verifies for
 * thousands of devices is offered the same few again and again.
 */
const MAX_KNOWN_HEADS = 64;

export class OfferVerifier {
  readonly #keys: ReadonlyMap<string, KeyObject>;
  /** By signature, key and head together; insertion order is age. */
  readonly #knownHeads: Map<string, OfferTreeHead>;

  /** `keys`: as announced by the verified TUF target `muster/offer-keys.json`. */
  constructor(options: { keys: OfferKeys }) {
    this.#keys = new Map(
      options.keys.keys.map((key) => {
        const raw = Buffer.from(key, "base64");
        return [offerKeyId(raw), publicKeyFromRaw(raw)];
      }),
    );
    this.#knownHeads = new Map();
  }

  /** `message`: the parsed JSON of a `down/offer` that is no withdrawal. Never throws. */
  verify(options: {
    message: unknown;
    tenant: string;
    device: string;
    workingTimeMs: number;
  }): OfferVerdict {
    const parsed = offerMessageSchema.safeParse(options.message);
    if (!parsed.success) return untrusted("the message is not of the form of an offer");
    const head = this.#verifiedHead(parsed.data);
    if (typeof head === "string") return untrusted(head);
    const payload = Buffer.from(parsed.data.payload, "base64");
    const included = verifyInclusion({
      leaf: payload,
      index: parsed.data.leafIndex,
      treeSize: head.treeSize,
      proof: parsed.data.proof.map((node) => Buffer.from(node, "base64")),
      rootHash: Buffer.from(head.rootHash, "base64"),
    });
    if (!included) return untrusted("the offer is not part of what was signed");
    const offer = offerPayloadSchema.safeParse(parseJson(payload));
    if (!offer.success) return untrusted("the signed payload is not of the form of an offer");
    return judge(offer.data, options);
  }

  /** The signed head, or what is wrong with it. */
  #verifiedHead(message: OfferMessage): OfferTreeHead | string {
    const identity = `${message.keyId} ${message.signature} ${message.head}`;
    const known = this.#knownHeads.get(identity);
    if (known !== undefined) return known;
    const key = this.#keys.get(message.keyId);
    if (key === undefined) return "the offer is signed by a key that is not announced";
    const bytes = Buffer.from(message.head, "base64");
    if (!verify(null, bytes, key, Buffer.from(message.signature, "base64"))) {
      return "the offer's signature does not verify";
    }
    const head = offerTreeHeadSchema.safeParse(parseJson(bytes));
    if (!head.success) return "what was signed is not the head of a tree of offers";
    if (Buffer.from(head.data.rootHash, "base64").length !== MERKLE_HASH_BYTES) {
      return "the signed tree head has no SHA-256 root";
    }
    if (this.#knownHeads.size >= MAX_KNOWN_HEADS) {
      const [oldest] = this.#knownHeads.keys();
      if (oldest !== undefined) this.#knownHeads.delete(oldest);
    }
    this.#knownHeads.set(identity, head.data);
    return head.data;
  }
}

function judge(
  offer: OfferPayload,
  receiver: { tenant: string; device: string; workingTimeMs: number },
): OfferVerdict {
  if (offer.tenant !== receiver.tenant || offer.device !== receiver.device) {
    const detail = `the offer is for ${offer.tenant}/${offer.device}`;
    return { ok: false, reason: "not-for-this-device", detail, offer };
  }
  if (offer.action === "install" && offer.release === undefined) {
    return untrusted("the signed payload names no release to install");
  }
  if (receiver.workingTimeMs > offer.expiresAtMs) {
    const now = isoTime(receiver.workingTimeMs);
    const detail = `the offer ended at ${isoTime(offer.expiresAtMs)}; working time is ${now}`;
    return { ok: false, reason: "expired", detail, offer };
  }
  return { ok: true, offer };
}

function untrusted(detail: string): OfferVerdict {
  return { ok: false, reason: "untrusted-offer", detail, offer: null };
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return null; // Not JSON: every schema refuses null.
  }
}
