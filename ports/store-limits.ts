// SPDX-License-Identifier: Apache-2.0
/**
 * The limits of `store.ts` as checks that every engine makes before it begins, on the caller's
 * side: `too_large` when data is over a limit, an assertion when a number makes no sense.
 */
import assert from "node:assert/strict";
import { checkBytes, checkCount } from "./limits.ts";
import { MAX_COMMIT_WRITES, MAX_DOCUMENT_BYTES, MAX_PAGE_BYTES } from "./store.ts";
import type { Commit, Json } from "./store.ts";

/** Ordinals are uint32 on the wire and in packed pages. */
export const MAX_ORDINAL = 0xff_ff_ff_ff;
export const MAX_LISTED_DOCUMENTS = 1_000;
export const MAX_LISTED_DEVICES = 10_000;
export const MAX_LISTED_AUDIT_ENTRIES = 1_000;
/** Entries that one call looks at: some 30 ms, in which SQLite does nothing else. */
export const MAX_AUDIT_LOOKED_AT = 20_000;
export const MAX_LOADED_PAGES = 1_000;
/** Documents or devices asked for by name in one call: a gateway's batch. */
export const MAX_NAMED = 1_000;

/**
 * Throws `too_large` when the commit has too many writes or a page is too long. Audit entries have
 * a limit of their own, of the same number, so that each write can have its entry.
 */
export function checkCommit(commit: Commit): void {
  const { documents = [], devices = [], pages = [], audit = [] } = commit;
  const writeCount = documents.length + devices.length + pages.length;
  checkCount("writes in a commit", writeCount, MAX_COMMIT_WRITES);
  checkCount("audit entries in a commit", audit.length, MAX_COMMIT_WRITES);
  for (const page of pages) {
    if (page.bytes === null) continue;
    const place = `page ${page.kind}/${page.owner}/${page.number}`;
    checkBytes(place, page.bytes.byteLength, MAX_PAGE_BYTES);
  }
}

/** The JSON text of a document, device or audit detail; throws `too_large` over 1 MiB. */
export function encodeJson(value: Json, place: string): string {
  const text = JSON.stringify(value);
  assert(text !== undefined, `${place} has no value that JSON can carry`);
  // UTF-8 needs at most three bytes a UTF-16 unit: short texts need no counting.
  if (text.length * 3 <= MAX_DOCUMENT_BYTES) return text;
  checkBytes(place, Buffer.byteLength(text), MAX_DOCUMENT_BYTES);
  return text;
}
