// SPDX-License-Identifier: Apache-2.0
/** Audit entries as the rows of an engine: sealed one onto the other, `detail` still as text. */
import { FIRST_PREVIOUS_HASH, sealAuditEntry } from "../ports/audit-chain.ts";
import type { Json } from "../ports/store.ts";
import type { AuditRow, AuditRowDraft } from "./store-calls.ts";

/** The newest entry of a log. */
export interface AuditHead {
  readonly sequence: number;
  readonly hash: string;
}

/** The rows that follow `head` (undefined: the log is empty), in the order of the drafts. */
export function sealAuditRows(options: {
  drafts: readonly AuditRowDraft[];
  head: AuditHead | undefined;
  atMs: number;
}): AuditRow[] {
  const { drafts, head, atMs } = options;
  let sequence = head?.sequence ?? 0;
  let previousHash = head?.hash ?? FIRST_PREVIOUS_HASH;
  return drafts.map((draft) => {
    sequence += 1;
    // Parsed from the stored text, so that the hash is over what reads back.
    const detail = JSON.parse(draft.detail) as Json;
    const entry = sealAuditEntry({ draft: { ...draft, detail }, sequence, atMs, previousHash });
    previousHash = entry.hash;
    return { ...entry, detail: draft.detail };
  });
}
