// SPDX-License-Identifier: Apache-2.0
/** Entries of the audit log as the API has them. */
import { create } from "@bufbuild/protobuf";
import type { AuditEntry, Json } from "../ports/store.ts";
import { AuditRecordSchema, type AuditRecord } from "./gen/muster/v1/deploy_pb.ts";

export function auditRecordOf(entry: AuditEntry): AuditRecord {
  const { sequence, atMs, detail, ...texts } = entry;
  return create(AuditRecordSchema, {
    ...texts,
    sequence: BigInt(sequence),
    atMs: BigInt(atMs),
    detailJson: JSON.stringify(detail),
  });
}

/** null when its detail is not JSON any more: somebody changed it. */
export function auditEntryOf(record: AuditRecord): AuditEntry | null {
  let detail: Json;
  try {
    detail = JSON.parse(record.detailJson) as Json;
  } catch {
    return null;
  }
  const { tenant, actor, action, subject, reason, previousHash, hash } = record;
  return {
    sequence: Number(record.sequence),
    atMs: Number(record.atMs),
    tenant,
    actor,
    action,
    subject,
    reason,
    detail,
    previousHash,
    hash,
  };
}
