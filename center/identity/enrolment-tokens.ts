// SPDX-License-Identifier: Apache-2.0
/**
 * One-time enrolment tokens. The center keeps a token's SHA-256 and what it stands for (document
 * `enrolment-token`, key `{tenant}/{sha256 of the text}`; a gateway's under `default`), never the
 * text. Redeeming is a compare-and-set in the same commit as the certificate's record, so of two
 * redeemers with different keys exactly one gets a certificate.
 *
 * A power cut can lose the certificate on its way to the device. So the token stays good, until it
 * ends, for the public key that used it first: whoever holds that private key is the same device.
 */
import { hash } from "node:crypto";
import { z } from "zod";
import { MusterError } from "../../domain/errors.ts";
import { checkDeviceId, checkName, checkTenant, DEFAULT_TENANT } from "../../domain/identity.ts";
import type { Random } from "../../ports/random.ts";
import type { DocumentWrite, Store, StoredDocument } from "../../ports/store.ts";
import { ENROLMENT_TOKEN_PREFIX, readEnrolmentToken } from "../../protocol/device/enrolment.ts";
import type { EnrolmentTokenClaims } from "../../protocol/device/enrolment.ts";
import { isoTime } from "../../protocol/trust/certificate-identity.ts";
import { checkHosts } from "./certificate-authority.ts";

/** A day: long enough to carry a token to a site, short enough to forget one. */
export const DEFAULT_TOKEN_LIFETIME_MS = 86_400_000;

/**
 * Certificates one token can get for its one key. Each is a record in the Store, so there is a
 * limit; a device that loses power sixteen times while enrolling needs a person.
 */
export const MAX_TOKEN_REDEMPTIONS = 16;

/** Whom a token makes of its bearer. */
export interface TokenGrant {
  readonly role: "device" | "gateway";
  /** Tenant of a device, region of a gateway. */
  readonly scope: string;
  readonly id: string;
  /** DNS names and addresses of a gateway; empty for a device. */
  readonly hosts: readonly string[];
}

interface TokenRecord extends TokenGrant {
  readonly expiresAtMs: number;
  /** First redemption; null = unused. */
  readonly usedAtMs: number | null;
  /** SHA-256 (hex) of the SubjectPublicKeyInfo that used it first. */
  readonly publicKeySha256: string | null;
  readonly redemptionCount: number;
}

const tokenRecordSchema: z.ZodType<TokenRecord> = z.object({
  role: z.enum(["device", "gateway"]),
  scope: z.string(),
  id: z.string(),
  hosts: z.array(z.string()),
  expiresAtMs: z.int(),
  usedAtMs: z.int().nullable(),
  publicKeySha256: z.string().nullable(),
  redemptionCount: z.int(),
});

export interface CreatedToken {
  /** The text for the device; it exists nowhere else. */
  readonly token: string;
  readonly expiresAtMs: number;
  /** To be committed by the caller, with an audit entry, before the text is given out. */
  readonly write: DocumentWrite;
}

/** Makes a token; throws `invalid_argument` for a bad name or host. */
export function createEnrolmentToken(options: {
  grant: TokenGrant;
  caSha256: string;
  rootSha256: string;
  nowMs: number;
  /** Default a day. */
  lifetimeMs?: number;
  random: Random;
}): CreatedToken {
  const { grant } = options;
  checkGrant(grant);
  const lifetimeMs = options.lifetimeMs ?? DEFAULT_TOKEN_LIFETIME_MS;
  const expiresAtMs = Math.floor((options.nowMs + lifetimeMs) / 1_000) * 1_000;
  const claims: EnrolmentTokenClaims = {
    v: 1,
    role: grant.role,
    scope: grant.scope,
    id: grant.id,
    ca: options.caSha256,
    root: options.rootSha256,
    exp: expiresAtMs / 1_000,
  };
  const body = Buffer.from(JSON.stringify(claims)).toString("base64url");
  const secret = Buffer.from(options.random.bytes(32)).toString("base64url");
  const token = `${ENROLMENT_TOKEN_PREFIX}${body}.${secret}`;
  const record: TokenRecord = {
    role: grant.role,
    scope: grant.scope,
    id: grant.id,
    hosts: [...grant.hosts],
    expiresAtMs,
    usedAtMs: null,
    publicKeySha256: null,
    redemptionCount: 0,
  };
  const key = tokenKey(claims, token);
  const value = { ...record };
  return {
    token,
    expiresAtMs,
    write: { kind: "enrolment-token", key, expectedRevision: 0, value },
  };
}

export interface TokenRedemption {
  readonly grant: TokenGrant;
  /** Marks the token as used by this key; conflicts when somebody else redeemed meanwhile. */
  readonly write: DocumentWrite;
}

/**
 * Checks a token for a public key and says what to commit. Changes nothing itself. Throws
 * `unauthenticated`, with one message each, when the token is malformed, unknown, expired, used
 * with another key, or used too often.
 */
export async function redeemEnrolmentToken(options: {
  store: Store;
  token: string;
  publicKeySha256: string;
  nowMs: number;
  signal: AbortSignal;
}): Promise<TokenRedemption> {
  const { store, token, publicKeySha256, nowMs, signal } = options;
  const claims = readEnrolmentToken(token);
  if (claims === null) throw refused("this is not an enrolment token", "copy the token whole");
  const document = await store.getDocument("enrolment-token", tokenKey(claims, token), { signal });
  if (document === null) {
    throw refused("this enrolment token is not known here", "check center and token");
  }
  const record = readRecord(document);
  if (nowMs >= record.expiresAtMs) {
    throw refused(`this enrolment token expired at ${isoTime(record.expiresAtMs)}`);
  }
  if (record.publicKeySha256 !== null && record.publicKeySha256 !== publicKeySha256) {
    const usedAt = isoTime(record.usedAtMs ?? 0);
    throw refused(`this enrolment token was already used with another key at ${usedAt}`);
  }
  if (record.redemptionCount >= MAX_TOKEN_REDEMPTIONS) {
    throw refused(`this enrolment token was already used ${record.redemptionCount} times`);
  }
  const used: TokenRecord = {
    ...record,
    usedAtMs: record.usedAtMs ?? nowMs,
    publicKeySha256,
    redemptionCount: record.redemptionCount + 1,
  };
  const { role, scope, id, hosts } = record;
  const write: DocumentWrite = {
    kind: "enrolment-token",
    key: document.key,
    expectedRevision: document.revision,
    value: { ...used },
  };
  return { grant: { role, scope, id, hosts }, write };
}

function checkGrant(grant: TokenGrant): void {
  if (grant.role === "device") {
    checkTenant(grant.scope, "tenant");
    checkDeviceId(grant.id, "device");
  } else {
    checkName(grant.scope, "region", "region");
    checkName(grant.id, "gateway", "gateway");
  }
  checkHosts(grant.hosts);
}

function tokenKey(claims: EnrolmentTokenClaims, token: string): string {
  const tenant = claims.role === "device" ? claims.scope : DEFAULT_TENANT;
  return `${tenant}/${hash("sha256", token, "hex")}`;
}

function readRecord(document: StoredDocument): TokenRecord {
  const record = tokenRecordSchema.safeParse(document.value);
  if (record.success) return record.data;
  throw new MusterError({
    code: "corrupt",
    message: `the stored enrolment token ${document.key} does not read back as it was written`,
    cause: record.error,
  });
}

function refused(
  message: string,
  hint = "make a new one with `muster device enroll`",
): MusterError {
  return new MusterError({ code: "unauthenticated", message, detail: { hint } });
}
