// SPDX-License-Identifier: Apache-2.0
/**
 * TUF metadata (specification 1.0.31) over `@tufjs/models`: reading with limits and clear errors,
 * writing, keys and signatures. Used by the center, the device and the command line, so it holds no
 * state, no clock and no files. Signatures are Ed25519 over the canonical JSON of `signed`.
 */
import { hash, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { canonicalize } from "@tufjs/canonical-json";
import { Key, Metadata, MetadataKind, Signature } from "@tufjs/models";
import type { Root, Snapshot, Targets, Timestamp } from "@tufjs/models";
import { MusterError } from "../../domain/errors.ts";
import { parseTargets } from "./tuf-targets.ts";
import { rawPublicKeyOf } from "./ed25519.ts";

/** The version of the specification written into metadata. */
export const TUF_SPEC_VERSION = "1.0.31";

export type TufRole = "root" | "timestamp" | "snapshot" | "targets";

export interface TufMetadataByRole {
  readonly root: Metadata<Root>;
  readonly timestamp: Metadata<Timestamp>;
  readonly snapshot: Metadata<Snapshot>;
  readonly targets: Metadata<Targets>;
}

/**
 * Largest file of each role, bytes: what a hostile mirror can make a reader hold and parse. Targets
 * allow about 30,000 releases of 140 bytes each, at which a device's refresh costs 4 MiB.
 */
export const MAX_METADATA_BYTES: Readonly<Record<TufRole, number>> = {
  root: 65_536,
  timestamp: 16_384,
  snapshot: 65_536,
  targets: 4_194_304,
};

/** Name of a role's file; root, snapshot and targets are numbered (consistent snapshots, §6.2). */
export function metadataFileName(role: TufRole, version: number): string {
  return role === "timestamp" ? "timestamp.json" : `${version}.${role}.json`;
}

/** The bytes that are published, stored and hashed. */
export function encodeMetadata(metadata: TufMetadataByRole[TufRole]): Buffer {
  return Buffer.from(`${JSON.stringify(metadata.toJSON())}\n`);
}

/**
 * Reads a role's file without verifying it; throws `untrusted` when it is not what it should be.
 */
export function parseMetadata<R extends TufRole>(
  role: R,
  bytes: Uint8Array,
  name: string,
): TufMetadataByRole[R] {
  if (bytes.length > MAX_METADATA_BYTES[role]) {
    throw untrusted(`${name} has ${bytes.length} bytes, the limit is ${MAX_METADATA_BYTES[role]}`);
  }
  let metadata: TufMetadataByRole[TufRole];
  try {
    const json: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
    metadata = parseRole(role, json as Parameters<typeof Metadata.fromJSON>[1]);
  } catch (cause) {
    throw untrusted(`${name} is not TUF ${role} metadata`, cause);
  }
  // The library takes any number; a fraction or NaN would break every comparison of versions.
  if (!Number.isSafeInteger(metadata.signed.version) || metadata.signed.version < 1) {
    throw untrusted(`${name} has no whole version number`);
  }
  return metadata as TufMetadataByRole[R];
}

function parseRole(
  role: TufRole,
  json: Parameters<typeof Metadata.fromJSON>[1],
): TufMetadataByRole[TufRole] {
  if (role === "root") return Metadata.fromJSON(MetadataKind.Root, json);
  if (role === "timestamp") return Metadata.fromJSON(MetadataKind.Timestamp, json);
  if (role === "snapshot") return Metadata.fromJSON(MetadataKind.Snapshot, json);
  return parseTargets(json);
}

/**
 * Throws `untrusted` unless enough of the keys that `root` names for the role signed `metadata`.
 */
export function verifyRoleSignature(
  root: Metadata<Root>,
  role: TufRole,
  metadata: TufMetadataByRole[TufRole],
  name: string,
): void {
  try {
    root.verifyDelegate(role, metadata);
  } catch (cause) {
    throw untrusted(`${name} is not signed by the ${role} key that the root names`, cause);
  }
}

/** When the metadata ends, milliseconds since 1970. */
export function metadataExpiryMs(metadata: TufMetadataByRole[TufRole]): number {
  return new Date(metadata.signed.expires).getTime();
}

/** A moment as TUF writes it (§4.2.1: UTC, no fractions of a second). */
export function tufTime(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 19)}Z`;
}

/**
 * The public half of an Ed25519 key as TUF names it: its id is the SHA-256 of its canonical JSON.
 */
export function tufKey(key: KeyObject): Key {
  const keyVal = { public: rawPublicKeyOf(key).toString("hex") };
  const facts = { keytype: "ed25519", scheme: "ed25519", keyval: keyVal };
  const keyID = hash("sha256", canonicalize(facts), "hex");
  return new Key({ keyID, keyType: "ed25519", scheme: "ed25519", keyVal });
}

/** Signs with a private Ed25519 key; earlier signatures are dropped unless `keepOthers`. */
export function signMetadata(
  metadata: TufMetadataByRole[TufRole],
  privateKey: KeyObject,
  options: { keepOthers?: boolean } = {},
): void {
  const { keyID } = tufKey(privateKey);
  metadata.sign(
    (data) => new Signature({ keyID, sig: sign(null, data, privateKey).toString("hex") }),
    options.keepOthers ?? false,
  );
}

/** The error of everything here that does not verify. */
export function untrusted(message: string, cause?: unknown): MusterError {
  return new MusterError({ code: "untrusted", message, cause });
}
