// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DocumentWrite, Store, StoredDocument } from "../../ports/store.ts";
import { readEnrolmentToken } from "../../protocol/device/enrolment.ts";
import {
  createEnrolmentToken,
  MAX_TOKEN_REDEMPTIONS,
  redeemEnrolmentToken,
} from "./enrolment-tokens.ts";
import type { CreatedToken, TokenGrant, TokenRedemption } from "./enrolment-tokens.ts";

const NOW_MS = Date.UTC(2026, 5, 1);
const DEVICE: TokenGrant = { role: "device", scope: "acme", id: "press-04", hosts: [] };
const { signal } = new AbortController();
let seed = 0;

function create(grant: TokenGrant = DEVICE): CreatedToken {
  seed += 1;
  return createEnrolmentToken({
    grant,
    caSha256: "a".repeat(64),
    rootSha256: "b".repeat(64),
    nowMs: NOW_MS,
    random: { next: () => 0, bytes: (length) => Buffer.alloc(length, seed) },
  });
}

/** The one document that redeeming reads. */
function storeWith(write: DocumentWrite): { store: Store; apply: (next: DocumentWrite) => void } {
  let document: StoredDocument = { ...write, revision: 1, value: write.value };
  const store = {
    getDocument: async (kind: string, key: string) =>
      await Promise.resolve(kind === document.kind && key === document.key ? document : null),
  } as unknown as Store;
  return {
    store,
    apply: (next) => {
      assert.equal(next.expectedRevision, document.revision);
      document = { ...document, revision: document.revision + 1, value: next.value };
    },
  };
}

function redeem(
  store: Store,
  token: string,
  publicKeySha256 = "1",
  nowMs = NOW_MS,
): Promise<TokenRedemption> {
  return redeemEnrolmentToken({ store, token, publicKeySha256, nowMs, signal });
}

describe("an enrolment token", () => {
  it("tells the device whom to trust and is stored as a hash under its tenant", () => {
    const { token, write, expiresAtMs } = create();
    assert.deepEqual(readEnrolmentToken(token), {
      v: 1,
      role: "device",
      scope: "acme",
      id: "press-04",
      ca: "a".repeat(64),
      root: "b".repeat(64),
      exp: (NOW_MS + 86_400_000) / 1_000,
    });
    assert.equal(expiresAtMs, NOW_MS + 86_400_000);
    assert.match(write.key, /^acme\/[0-9a-f]{64}$/);
    assert.ok(!JSON.stringify(write).includes(token.split(".")[2]!), "the secret is not stored");
    const gateway = create({ role: "gateway", scope: "north", id: "gw-1", hosts: ["10.0.0.1"] });
    assert.match(gateway.write.key, /^default\//);
  });

  it("is not made for bad names or hosts", () => {
    const bad: readonly TokenGrant[] = [
      { ...DEVICE, id: "a/b" },
      { ...DEVICE, scope: "A" },
      { ...DEVICE, role: "gateway", id: "-" },
      { ...DEVICE, role: "gateway", id: "gw", scope: "north", hosts: ["not a host"] },
    ];
    for (const grant of bad) assert.throws(() => create(grant), { code: "invalid_argument" });
  });

  it("is good again for the key that used it first, up to a limit, and for no other", async () => {
    const { token, write } = create();
    const { store, apply } = storeWith(write);
    for (let count = 0; count < MAX_TOKEN_REDEMPTIONS; count += 1) {
      const redemption = await redeem(store, token);
      assert.deepEqual(redemption.grant, DEVICE);
      apply(redemption.write);
      await assert.rejects(redeem(store, token, "2"), { message: /already used with another key/ });
    }
    await assert.rejects(redeem(store, token), {
      code: "unauthenticated",
      message: "this enrolment token was already used 16 times",
    });
  });

  it("ends at its time, for its own key too", async () => {
    const { token, write, expiresAtMs } = create();
    const { store, apply } = storeWith(write);
    apply((await redeem(store, token, "1", expiresAtMs - 1)).write);
    await assert.rejects(redeem(store, token, "1", expiresAtMs), {
      message: "this enrolment token expired at 2026-06-02T00:00:00Z",
    });
  });

  it("with other claims around the same secret is unknown", async () => {
    const { token, write } = create();
    const { store } = storeWith(write);
    const forged = create({ ...DEVICE, id: "press-05" })
      .token.split(".")
      .slice(0, 2)
      .join(".");
    const secret = token.split(".")[2]!;
    await assert.rejects(redeem(store, `${forged}.${secret}`), { message: /not known here/ });
  });

  it("that does not read back as written is reported as corrupt, not as unknown", async () => {
    const { token, write } = create();
    const { store } = storeWith({ ...write, value: { role: "device" } });
    await assert.rejects(redeem(store, token), { code: "corrupt" });
  });
});
