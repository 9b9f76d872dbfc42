// SPDX-License-Identifier: Apache-2.0
/**
 * The checks of the TUF client workflow (specification 1.0.31 §5), one function a step, without
 * files, network or clock. Each throws `untrusted` and names the attack it stops: a forged file
 * (signature), an old one (rollback), one kept too long (freeze), or parts that were never
 * published together (mix and match).
 */
import type { MetaFile } from "@tufjs/models";
import { isoTime } from "../../protocol/trust/certificate-identity.ts";
import {
  metadataExpiryMs,
  parseMetadata,
  untrusted,
  verifyRoleSignature,
} from "../../protocol/trust/tuf-metadata.ts";
import type { TufMetadataByRole, TufRole } from "../../protocol/trust/tuf-metadata.ts";

/** A verified file: its bytes, for keeping, and what they say. */
export interface Trusted<R extends TufRole> {
  readonly bytes: Buffer;
  readonly metadata: TufMetadataByRole[R];
}

/** Reads a file and checks its signature against the root. */
export function readSigned<R extends TufRole>(
  root: Trusted<"root">,
  role: R,
  bytes: Uint8Array,
): Trusted<R> {
  const name = `the ${role} metadata`;
  const metadata = parseMetadata(role, bytes, name);
  verifyRoleSignature(root.metadata, role, metadata, name);
  return { bytes: Buffer.from(bytes), metadata };
}

/**
 * §5.3.3–5.3.5: the next root is signed by the trusted root's keys and its own, and is the next.
 */
export function checkNextRoot(trusted: Trusted<"root">, bytes: Uint8Array): Trusted<"root"> {
  const next = readSigned(trusted, "root", bytes);
  verifyRoleSignature(next.metadata, "root", next.metadata, "the root metadata");
  const expected = trusted.metadata.signed.version + 1;
  const { version } = next.metadata.signed;
  if (version === expected) return next;
  throw untrusted(`the root metadata has version ${version} where ${expected} was due (rollback)`);
}

/** §5.3.11: whether the keys of timestamp or snapshot changed (fast-forward recovery). */
export function haveOnlineKeysChanged(before: Trusted<"root">, after: Trusted<"root">): boolean {
  return (["timestamp", "snapshot"] as const).some((role) => {
    const oldKeys = before.metadata.signed.roles[role]?.keyIDs ?? [];
    const newKeys = after.metadata.signed.roles[role]?.keyIDs ?? [];
    return oldKeys.toSorted().join() !== newKeys.toSorted().join();
  });
}

/**
 * §5.4.2–5.4.3: neither the timestamp nor the snapshot it names may be older than before. The same
 * version again is the trusted one.
 */
export function checkNextTimestamp(
  trusted: Trusted<"timestamp"> | null,
  next: Trusted<"timestamp">,
): Trusted<"timestamp"> {
  if (trusted === null) return next;
  const before = trusted.metadata.signed;
  const after = next.metadata.signed;
  if (after.version < before.version) {
    throw rollback("timestamp", after.version, before.version);
  }
  if (after.version === before.version) return trusted;
  if (after.snapshotMeta.version < before.snapshotMeta.version) {
    throw rollback("snapshot", after.snapshotMeta.version, before.snapshotMeta.version);
  }
  return next;
}

/** §5.5.5: everything the trusted snapshot lists is still there, and no older. */
export function checkNextSnapshot(
  trusted: Trusted<"snapshot"> | null,
  next: Trusted<"snapshot">,
): void {
  const after = next.metadata.signed.meta;
  for (const [name, before] of Object.entries(trusted?.metadata.signed.meta ?? {})) {
    const now = Object.hasOwn(after, name) ? after[name] : undefined;
    if (now === undefined) throw untrusted(`the snapshot metadata no longer lists ${name}`);
    if (now.version < before.version) throw rollback(name, now.version, before.version);
  }
}

/** §5.5.2, §5.5.4, §5.6.2, §5.6.4: the file is exactly the one that was named. */
export function checkNamed(
  role: "snapshot" | "targets",
  fact: MetaFile,
  bytes: Uint8Array,
  version: number,
): void {
  if (fact.hashes?.["sha256"] === undefined) {
    throw untrusted(`the ${role} metadata is named without its SHA-256`);
  }
  try {
    fact.verify(Buffer.from(bytes));
  } catch (cause) {
    throw untrusted(`the ${role} metadata is not the one that was named (tampered, mixed)`, cause);
  }
  if (version !== fact.version) {
    throw untrusted(`the ${role} metadata has version ${version}, named was ${fact.version}`);
  }
}

/** §5.3.10, §5.4.4, §5.5.6, §5.6.5: metadata past its end may be kept back on purpose (freeze). */
export function checkFresh(role: TufRole, file: Trusted<TufRole>, workingTimeMs: number): void {
  const endMs = metadataExpiryMs(file.metadata);
  if (workingTimeMs < endMs) return;
  const now = isoTime(workingTimeMs);
  throw untrusted(
    `the ${role} metadata ended at ${isoTime(endMs)}; working time is ${now} (freeze)`,
  );
}

function rollback(name: string, version: number, trustedVersion: number): Error {
  return untrusted(
    `the ${name} metadata has version ${version}, trusted before was ${trustedVersion} (rollback)`,
  );
}
