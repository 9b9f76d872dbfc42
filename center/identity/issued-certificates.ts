// SPDX-License-Identifier: Apache-2.0
/**
 * The record of every certificate issued to a device or gateway: document `certificate`, key
 * `{tenant}/{serial}` (a gateway's under `default`). Written, with its audit entry, before the
 * certificate leaves the center, so that whatever is out there can be listed and revoked.
 */
import { z } from "zod";
import { MusterError } from "../../domain/errors.ts";
import { DEFAULT_TENANT } from "../../domain/identity.ts";
import type { PeerIdentity } from "../../domain/identity.ts";
import type { AuditDraft, DocumentWrite, Store, StoredDocument } from "../../ports/store.ts";
import type { IssuedCertificate } from "./certificate-authority.ts";

export interface CertificateRecord {
  /** Lower-case hex. */
  readonly serial: string;
  /** The SAN URI. */
  readonly uri: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly publicKeySha256: string;
  readonly issuedAtMs: number;
  /** Null = good. */
  readonly revokedAtMs: number | null;
}

export const certificateRecordSchema: z.ZodType<CertificateRecord> = z.object({
  serial: z.string(),
  uri: z.string(),
  notBeforeMs: z.int(),
  notAfterMs: z.int(),
  publicKeySha256: z.string(),
  issuedAtMs: z.int(),
  revokedAtMs: z.int().nullable(),
});

/** The document key of a certificate. */
export function certificateKey(identity: PeerIdentity, serial: string): string {
  return `${tenantOf(identity)}/${serial.toLowerCase()}`;
}

/** What to commit for a certificate just issued: its record and the audit entry. */
export function issuanceWrites(options: {
  identity: PeerIdentity;
  issued: IssuedCertificate;
  nowMs: number;
  reason: "enrolled with a token" | "renewed with the previous certificate";
}): { readonly document: DocumentWrite; readonly audit: AuditDraft } {
  const { identity, issued } = options;
  const record: CertificateRecord = {
    serial: issued.serial,
    uri: issued.uri,
    notBeforeMs: issued.notBeforeMs,
    notAfterMs: issued.notAfterMs,
    publicKeySha256: issued.publicKeySha256,
    issuedAtMs: options.nowMs,
    revokedAtMs: null,
  };
  const key = certificateKey(identity, issued.serial);
  const { serial, notAfterMs, publicKeySha256 } = record;
  return {
    document: { kind: "certificate", key, expectedRevision: 0, value: { ...record } },
    audit: {
      tenant: tenantOf(identity),
      actor:
        identity.role === "device" ? `device:${identity.device}` : `gateway:${identity.gateway}`,
      action: "certificate.issue",
      subject: `certificate/${key}`,
      reason: options.reason,
      detail: { serial, uri: issued.uri, notAfterMs, publicKeySha256 },
    },
  };
}

/** Whether the certificate was revoked; see `areCertificatesRevoked`. */
export async function isCertificateRevoked(options: {
  store: Store;
  identity: PeerIdentity;
  serial: string;
  signal: AbortSignal;
}): Promise<boolean> {
  const { store, identity, serial, signal } = options;
  const certificates = [{ identity, serial }];
  return (await areCertificatesRevoked({ store, certificates, signal }))[0] === true;
}

/**
 * For each, in order, whether it was revoked. One without a record counts as good: its signature is
 * ours, and a Store restored from a backup must not strand the devices enrolled since. At most
 * 1,000 at once.
 */
export async function areCertificatesRevoked(options: {
  store: Store;
  certificates: readonly { identity: PeerIdentity; serial: string }[];
  signal: AbortSignal;
}): Promise<readonly boolean[]> {
  const { store, certificates, signal } = options;
  const keys = certificates.map(({ identity, serial }) => certificateKey(identity, serial));
  const documents = await store.getDocuments("certificate", keys, { signal });
  return documents.map((document) => document !== null && isRevoked(document));
}

function isRevoked({ key, value }: StoredDocument): boolean {
  const record = certificateRecordSchema.safeParse(value);
  if (record.success) return record.data.revokedAtMs !== null;
  throw new MusterError({
    code: "corrupt",
    message: `the stored certificate ${key} does not read back as it was written`,
    cause: record.error,
  });
}

function tenantOf(identity: PeerIdentity): string {
  return identity.role === "device" ? identity.tenant : DEFAULT_TENANT;
}
