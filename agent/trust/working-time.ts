// SPDX-License-Identifier: Apache-2.0
/**
 * Working time: what a device judges certificates, metadata and offers by. Its own clock is
 * advisory (it may boot in 1970, or years ahead). In order:
 *
 * 1. a time the center signed for this device's own nonce, carried on by the monotonic clock;
 * 2. else the later of the wall clock and the floor, the latest time known to have passed.
 *
 * The floor only grows, and only by what somebody trusted said (a signed time, the start of a
 * certificate our CA issued), never by the device's own clock: one wild reading would stay for
 * ever. The caller keeps it on disk.
 */
import { verify } from "node:crypto";
import { z } from "zod";
import { MusterError } from "../../domain/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import { signedTimeSchema } from "../../protocol/device/enrolment.ts";
import type { OfferKeys } from "../../protocol/device/enrolment.ts";
import { offerKeyId, publicKeyFromRaw } from "../../protocol/trust/ed25519.ts";

const timePayloadSchema: z.ZodType<{ nonce: string; atMs: number }> = z.object({
  type: z.literal("muster.time/v1"),
  nonce: z.string(),
  atMs: z.int().min(0),
});

export class WorkingTime {
  readonly #clock: Clock;
  #floorMs: number;
  #anchor: { readonly atMs: number; readonly monotonicMs: number } | null;

  /** `floorMs`: as kept from before; 0 = nothing known. */
  constructor(options: { clock: Clock; floorMs: number }) {
    this.#clock = options.clock;
    this.#floorMs = options.floorMs;
    this.#anchor = null;
  }

  /** Milliseconds since 1970. */
  nowMs(): number {
    if (this.#anchor === null) return Math.max(this.#clock.wallMs(), this.#floorMs);
    const { atMs, monotonicMs } = this.#anchor;
    return Math.floor(atMs + this.#clock.monotonicMs() - monotonicMs);
  }

  /** To be kept on disk and given to the next `WorkingTime`. */
  get floorMs(): number {
    return this.#floorMs;
  }

  /** True once a signed time was taken in this process. */
  get isAnchored(): boolean {
    return this.#anchor !== null;
  }

  /** It is at least `atMs`, says somebody trusted. */
  raiseFloor(atMs: number): void {
    this.#floorMs = Math.max(this.#floorMs, atMs);
  }

  /** Takes a verified signed time (`readSignedTime`); it outranks floor and clock. */
  anchor(atMs: number): void {
    this.#anchor = { atMs, monotonicMs: this.#clock.monotonicMs() };
    this.raiseFloor(atMs);
  }
}

/** A nonce for one request of the time: 24 random bytes. */
export function timeNonce(random: Random): string {
  return Buffer.from(random.bytes(24)).toString("base64url");
}

/**
 * The moment a `SignedTime` states. Throws `untrusted` unless it is signed by one of the announced
 * offer keys, over this nonce.
 */
export function readSignedTime(options: {
  /** Parsed JSON from `/.well-known/muster/time`. */
  message: unknown;
  nonce: string;
  keys: OfferKeys;
}): number {
  const message = signedTimeSchema.safeParse(options.message);
  if (!message.success) throw untrustedTime("is not of the form of a signed time");
  const { payload, signature, keyId } = message.data;
  const raw = options.keys.keys
    .map((key) => Buffer.from(key, "base64"))
    .find((key) => offerKeyId(key) === keyId);
  if (raw === undefined) throw untrustedTime("is signed by a key that is not announced");
  const bytes = Buffer.from(payload, "base64");
  if (!verify(null, bytes, publicKeyFromRaw(raw), Buffer.from(signature, "base64"))) {
    throw untrustedTime("has a signature that does not verify");
  }
  const statement = timePayloadSchema.safeParse(parseJson(bytes));
  if (!statement.success) throw untrustedTime("signs something else than a time");
  if (statement.data.nonce !== options.nonce) throw untrustedTime("answers another request");
  return statement.data.atMs;
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return null; // Not JSON: the schema refuses null.
  }
}

function untrustedTime(problem: string): MusterError {
  return new MusterError({ code: "untrusted", message: `the time from the center ${problem}` });
}
