// SPDX-License-Identifier: Apache-2.0
/**
 * Operator tokens: JWTs (RFC 7519, HS256) signed by this installation; each has a record, so that
 * it can be revoked. The first one is made at the center's first start and written to a file that
 * only its user can read; nothing is open without one.
 */
import { hash } from "node:crypto";
import { jwtVerify, SignJWT } from "jose";
import { z } from "zod";
import { MusterError } from "../../domain/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import type { DocumentWrite, Store } from "../../ports/store.ts";

export const ROLES = ["admin", "operator", "viewer"] as const;
export type Role = (typeof ROLES)[number];

/** Who calls, as the token says. `tenant` "*" = every tenant. */
export interface Operator {
  readonly tokenId: string;
  readonly name: string;
  readonly tenant: string;
  readonly role: Role;
}

export interface TokenRecord extends Operator {
  readonly expiresAtMs: number;
  readonly revoked: boolean;
}

const stored: z.ZodType<TokenRecord> = z.object({
  tokenId: z.string(),
  name: z.string(),
  tenant: z.string(),
  role: z.enum(ROLES),
  expiresAtMs: z.number(),
  revoked: z.boolean(),
});

const ISSUER = "muster";
const OUR_TOKENS =
  "use one that was made here (muster token create), or the first, in the center's operator folder";
export const DEFAULT_LIFETIME_MS: number = 90 * 86_400_000;

/** Tokens whose verification is kept: more than anybody's scripts and colleagues have. */
const MAX_KEPT = 1_000;

export class OperatorTokens {
  /** By hash of its text: what was verified, so that a question costs no signature and no read. */
  private readonly kept = new Map<string, TokenRecord>();
  /** Somebody wants them revoked: from then on the Store is asked each time. */
  private readonly doubted = new Set<string>();
  private readonly store: Store;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly key: Uint8Array;

  constructor(options: { store: Store; clock: Clock; random: Random; key: Uint8Array }) {
    this.store = options.store;
    this.clock = options.clock;
    this.random = options.random;
    this.key = options.key;
  }

  /** Makes a token; its record is to be committed before the text is given out. */
  async create(options: {
    name: string;
    tenant: string;
    role: Role;
    lifetimeMs: number;
  }): Promise<{ token: string; record: TokenRecord; write: DocumentWrite }> {
    const tokenId = Buffer.from(this.random.bytes(12)).toString("hex");
    const nowMs = this.clock.wallMs();
    const expiresAtMs = nowMs + options.lifetimeMs;
    const { name, tenant, role } = options;
    const token = await new SignJWT({ tenant, role })
      .setProtectedHeader({ alg: "HS256" })
      .setIssuer(ISSUER)
      .setSubject(name)
      .setJti(tokenId)
      .setIssuedAt(Math.floor(nowMs / 1_000))
      .setExpirationTime(Math.floor(expiresAtMs / 1_000))
      .sign(this.key);
    const record: TokenRecord = { tokenId, name, tenant, role, expiresAtMs, revoked: false };
    const write: DocumentWrite = {
      kind: "operator-token",
      key: tokenId,
      expectedRevision: 0,
      value: { ...record },
    };
    return { token, record, write };
  }

  /** Throws `unauthenticated`, saying which of: malformed, foreign, expired, revoked. */
  async verify(authorization: string | null, signal: AbortSignal): Promise<Operator> {
    const token = /^Bearer (.+)$/i.exec(authorization ?? "")?.[1];
    if (token === undefined) {
      throw unauthenticated("no operator token was sent", "log in with: muster login");
    }
    const textHash = hash("sha256", token, "base64");
    const known = this.kept.get(textHash);
    if (known !== undefined && this.isCurrent(known)) return known;
    const record = await this.verifyText(token, signal);
    if (!this.doubted.has(record.tokenId)) this.keep(textHash, record);
    return record;
  }

  /** The last whole second of its life is left to the check of its text, which says so in words. */
  private isCurrent({ tokenId, expiresAtMs }: TokenRecord): boolean {
    return !this.doubted.has(tokenId) && this.clock.wallMs() < expiresAtMs - 1_000;
  }

  private keep(textHash: string, record: TokenRecord): void {
    if (this.kept.size >= MAX_KEPT) this.kept.clear();
    this.kept.set(textHash, record);
  }

  private async verifyText(token: string, signal: AbortSignal): Promise<TokenRecord> {
    const currentDate = new Date(this.clock.wallMs());
    const verified = await jwtVerify(token, this.key, {
      issuer: ISSUER,
      algorithms: ["HS256"],
      currentDate,
    }).catch((error: unknown) => {
      const expired = error instanceof Error && "code" in error && error.code === "ERR_JWT_EXPIRED";
      throw expired
        ? unauthenticated(
            "the operator token has expired",
            "ask for a new one: muster token create",
          )
        : unauthenticated("the operator token is not one of this installation", OUR_TOKENS);
    });
    const record = await this.find(verified.payload.jti ?? "", signal);
    if (record === null || record.revoked) {
      throw unauthenticated("the operator token was revoked", "ask an admin for a new one");
    }
    return record;
  }

  async find(tokenId: string, signal: AbortSignal): Promise<TokenRecord | null> {
    const document = await this.store.getDocument("operator-token", tokenId, { signal });
    return document === null ? null : stored.parse(document.value);
  }

  async list(signal: AbortSignal): Promise<TokenRecord[]> {
    const documents = await this.store.listDocuments("operator-token", {
      prefix: "",
      limit: 1_000,
      signal,
    });
    return documents.map((document) => stored.parse(document.value));
  }

  /**
   * The write that revokes; null when there is no such token. What was verified of it counts no
   * more, whether the write is committed or not.
   */
  async revocation(
    tokenId: string,
    signal: AbortSignal,
  ): Promise<{ record: TokenRecord; write: DocumentWrite } | null> {
    const document = await this.store.getDocument("operator-token", tokenId, { signal });
    if (document === null) return null;
    this.doubted.add(tokenId);
    const record = { ...stored.parse(document.value), revoked: true };
    return {
      record,
      write: {
        kind: "operator-token",
        key: tokenId,
        expectedRevision: document.revision,
        value: { ...record },
      },
    };
  }
}

function unauthenticated(message: string, hint: string): MusterError {
  return new MusterError({ code: "unauthenticated", message, detail: { hint } });
}
