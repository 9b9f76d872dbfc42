// SPDX-License-Identifier: Apache-2.0
/**
 * What the center offers a device, on `down/offer` (QoS 1). Signed as a batch: the leaves of one
 * RFC 9162 Merkle tree (SHA-256) are the payloads of many devices, one Ed25519 signature covers the
 * tree head, each message carries its leaf, its inclusion proof and the signed head. Payload and
 * head are opaque bytes (base64 in JSON) and are verified before they are parsed.
 *
 * A gateway may withdraw an offer that was not accepted; withdrawing is not signed, for a
 * taken-over gateway can drop offers anyway.
 */
import { z } from "zod";
import { LEAST_BYTES_PER_SECOND } from "../../domain/bandwidth.ts";
import { DAYS, type Window } from "../../domain/window.ts";
import type { Command } from "../../domain/subject.ts";
import { commandSchema } from "./command.ts";
import { SLOTS, type Slot } from "./status.ts";

/**
 * What is to be done in the slot. `remove` empties it (a rollback to "nothing installed"); `run`
 * runs a command once and leaves nothing in it.
 */
export type OfferAction = "install" | "remove" | "run";

/** The release as TUF names it: a target and the manifest's digest and length. */
export interface OfferedRelease {
  readonly name: string;
  readonly version: string;
  /** TUF target path: `releases/{tenant}/{name}/{version}.json`. */
  readonly target: string;
  readonly sha256: string;
  readonly lengthBytes: number;
}

/** Open while the clock on the device's wall, in that zone, shows a time within one of them. */
export interface OfferedWindows {
  /** IANA name. */
  readonly timeZone: string;
  /** None = at any time; so for `download`. */
  readonly install: readonly Window[];
  readonly download: readonly Window[];
}

/** Windows of one kind in one offer: two a day. */
export const MAX_WINDOWS = 14;

export interface OfferPayload {
  readonly type: "muster.offer/v1";
  readonly tenant: string;
  readonly device: string;
  readonly rollout: number;
  readonly rolloutName: string;
  readonly position: number;
  readonly generation: number;
  readonly stopEpoch: number;
  readonly slot: Slot;
  readonly action: OfferAction;
  /** Present when the action is `install`. */
  readonly release?: OfferedRelease | undefined;
  /** When it may be fetched and when its install may begin; absent: at any time. */
  readonly windows?: OfferedWindows | undefined;
  /** No faster than this are its artifacts fetched; absent: as fast as they come. */
  readonly bytesPerSecond?: number | undefined;
  /** Present when the action is `run`. */
  readonly command?: Command | undefined;
  /** 16 random bytes, base64url: makes every offer unique. */
  readonly nonce: string;
  readonly issuedAtMs: number;
  /** The device refuses to accept after this (working time). */
  readonly expiresAtMs: number;
}

/** The signed statement over a batch. */
export interface OfferTreeHead {
  readonly type: "muster.offer-head/v1";
  readonly treeSize: number;
  /** Base64 of the 32-byte root. */
  readonly rootHash: string;
  readonly issuedAtMs: number;
}

/** One message on `down/offer`. */
export interface OfferMessage {
  /** Base64 of the payload's bytes: the leaf. */
  readonly payload: string;
  readonly leafIndex: number;
  /** Base64 hashes, from the leaf up; at most 32. */
  readonly proof: readonly string[];
  /** Base64 of the tree head's bytes. */
  readonly head: string;
  /** Base64 of the Ed25519 signature over the head's bytes. */
  readonly signature: string;
  /** SHA-256 (hex) of the raw 32-byte public key that signed. */
  readonly keyId: string;
}

/** The other message on `down/offer`: an offer of this generation may not be accepted any more. */
export interface WithdrawMessage {
  readonly withdraw: { readonly rollout: number; readonly generation: number };
}

export const MAX_OFFER_BYTES = 16_384;

const base64 = z.string().regex(/^[A-Za-z0-9+/]+={0,2}$/);

export const offerMessageSchema: z.ZodType<OfferMessage> = z.strictObject({
  payload: base64.max(8_192),
  leafIndex: z.int().min(0).max(0xffff_ffff),
  proof: z.array(base64.length(44)).max(32),
  head: base64.max(2_048),
  signature: base64.length(88),
  keyId: z.string().regex(/^[0-9a-f]{64}$/),
});

export const withdrawMessageSchema: z.ZodType<WithdrawMessage> = z.strictObject({
  withdraw: z.strictObject({
    rollout: z.int().min(1),
    generation: z.int().min(1).max(0x7fff_ffff),
  }),
});

export const offerTreeHeadSchema: z.ZodType<OfferTreeHead> = z.object({
  type: z.literal("muster.offer-head/v1"),
  treeSize: z.int().min(1).max(0xffff_ffff),
  rootHash: base64.length(44),
  issuedAtMs: z.int().min(0),
});

const windows = z
  .array(
    z.object({
      days: z.array(z.enum(DAYS)).max(DAYS.length),
      fromMinute: z.int().min(0).max(1_439),
      toMinute: z.int().min(1).max(1_440),
    }),
  )
  .max(MAX_WINDOWS);

export const offerPayloadSchema: z.ZodType<OfferPayload> = z.object({
  type: z.literal("muster.offer/v1"),
  tenant: z.string().max(63),
  device: z.string().max(128),
  rollout: z.int().min(1).max(0xffff_ffff),
  rolloutName: z.string().max(63),
  position: z.int().min(0).max(0xffff_ffff),
  generation: z.int().min(1).max(0x7fff_ffff),
  stopEpoch: z.int().min(0),
  slot: z.enum(SLOTS),
  action: z.enum(["install", "remove", "run"]),
  release: z
    .object({
      name: z.string().max(63),
      version: z.string().max(128),
      target: z.string().max(512),
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
      lengthBytes: z.int().min(1),
    })
    .optional(),
  windows: z
    .object({ timeZone: z.string().max(64), install: windows, download: windows })
    .optional(),
  bytesPerSecond: z.number().min(LEAST_BYTES_PER_SECOND).optional(),
  command: commandSchema.optional(),
  nonce: z.string().min(16).max(64),
  issuedAtMs: z.int().min(0),
  expiresAtMs: z.int().min(0),
});
