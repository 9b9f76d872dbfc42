// SPDX-License-Identifier: Apache-2.0
/**
 * The hash chain of the audit log, as pure functions: every Store engine seals entries with it and
 * `muster audit verify` checks them with it, without a Store.
 *
 * The hash is SHA-256 over OLPC canonical JSON (the form TUF signs) of the entry without `hash`.
 * That form has no fractions, so a number that is not an integer is hashed as its shortest decimal
 * text ("0.5").
 *
 * What a chain cannot show: entries removed at its end. Whoever must notice that notes the last
 * sequence and hash elsewhere (a backup, a printout) and compares.
 */
import { createHash } from "node:crypto";
import { canonicalize } from "@tufjs/canonical-json";
import type { AuditDraft, AuditEntry, Json } from "./store.ts";

/** `previousHash` of the first entry. */
export const FIRST_PREVIOUS_HASH: string = "0".repeat(64);

/** Where a chain stands after a run of entries, or the first entry that does not fit. */
export type AuditVerdict =
  | {
      readonly ok: true;
      /** Of the last entry; 0 when there was none. */
      readonly sequence: number;
      /** Of the last entry; the given previous hash when there was none. The next run needs it. */
      readonly hash: string;
    }
  | {
      readonly ok: false;
      readonly sequence: number;
      /** `changed`: its own hash does not fit. `unlinked`: it does not follow the one before. */
      readonly reason: "changed" | "unlinked";
    };

/** The entry that follows `previousHash`. `detail` must be as it will read back from the Store. */
export function sealAuditEntry(options: {
  draft: AuditDraft;
  sequence: number;
  atMs: number;
  previousHash: string;
}): AuditEntry {
  const { tenant, actor, action, subject, reason, detail } = options.draft;
  const { sequence, atMs, previousHash } = options;
  const unsealed = {
    sequence,
    atMs,
    tenant,
    actor,
    action,
    subject,
    reason,
    detail,
    previousHash,
  };
  return { ...unsealed, hash: auditHash(unsealed) };
}

/** The hash an entry must carry. */
export function auditHash(entry: Omit<AuditEntry, "hash">): string {
  const hashed: { [key: string]: Json } = {
    sequence: entry.sequence,
    atMs: entry.atMs,
    tenant: entry.tenant,
    actor: entry.actor,
    action: entry.action,
    subject: entry.subject,
    reason: entry.reason,
    detail: withoutFractions(entry.detail),
    previousHash: entry.previousHash,
  };
  return createHash("sha256").update(canonicalize(hashed), "utf8").digest("hex");
}

/**
 * Checks entries of all tenants, in sequence order, that follow the entry with `previousHash`
 * (`FIRST_PREVIOUS_HASH` from the beginning). A long log is checked page by page, each with the
 * hash that the page before ended on.
 */
export function verifyAudit(entries: Iterable<AuditEntry>, previousHash: string): AuditVerdict {
  let hash = previousHash;
  let sequence = 0;
  for (const entry of entries) {
    const first = previousHash === FIRST_PREVIOUS_HASH ? 1 : entry.sequence;
    const expected = sequence === 0 ? first : sequence + 1;
    if (entry.sequence !== expected || entry.previousHash !== hash) {
      return { ok: false, sequence: entry.sequence, reason: "unlinked" };
    }
    if (auditHash(entry) !== entry.hash) {
      return { ok: false, sequence: entry.sequence, reason: "changed" };
    }
    ({ sequence, hash } = entry);
  }
  return { ok: true, sequence, hash };
}

function withoutFractions(value: Json): Json {
  if (typeof value === "number") return Number.isInteger(value) ? value : String(value);
  if (value === null || typeof value !== "object") return value;
  if (isList(value)) return value.map(withoutFractions);
  // fromEntries defines properties, so that a key "__proto__" is hashed like any other.
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, withoutFractions(item)]),
  );
}

/** Array.isArray does not narrow a readonly array out of a union. */
function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
