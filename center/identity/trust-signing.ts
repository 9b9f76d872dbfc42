// SPDX-License-Identifier: Apache-2.0
/** The metadata that the center signs by itself: root (once), snapshot and timestamp. Pure. */
import { hash } from "node:crypto";
import { MetaFile, Metadata, Root, Snapshot, Timestamp } from "@tufjs/models";
import {
  encodeMetadata,
  metadataFileName,
  signMetadata,
  TUF_SPEC_VERSION,
  tufKey,
  tufTime,
} from "../../protocol/trust/tuf-metadata.ts";
import type { SignedFile, TrustFile } from "./trust-files.ts";
import { TRUST_LIFETIME_MS } from "./trust-keys.ts";
import type { OnlineKeys, OperatorKeys } from "./trust-keys.ts";

/** Root version 1: one key a role, threshold 1. */
export function signFirstRoot(options: {
  operatorKeys: OperatorKeys;
  onlineKeys: OnlineKeys;
  nowMs: number;
}): SignedFile<"root"> {
  const { operatorKeys, onlineKeys, nowMs } = options;
  const root = new Root({
    version: 1,
    specVersion: TUF_SPEC_VERSION,
    expires: tufTime(nowMs + TRUST_LIFETIME_MS.root),
    consistentSnapshot: true,
  });
  root.addKey(tufKey(operatorKeys.root), "root");
  root.addKey(tufKey(operatorKeys.targets), "targets");
  root.addKey(tufKey(onlineKeys.snapshot), "snapshot");
  root.addKey(tufKey(onlineKeys.timestamp), "timestamp");
  const metadata = new Metadata(root);
  signMetadata(metadata, operatorKeys.root);
  return { name: metadataFileName("root", 1), bytes: encodeMetadata(metadata), metadata };
}

/** The snapshot that names these targets. */
export function signSnapshot(options: {
  version: number;
  targets: TrustFile;
  targetsVersion: number;
  keys: OnlineKeys;
  nowMs: number;
}): SignedFile<"snapshot"> {
  const { version, targets, targetsVersion, keys, nowMs } = options;
  const metadata = new Metadata(
    new Snapshot({
      version,
      specVersion: TUF_SPEC_VERSION,
      expires: tufTime(nowMs + TRUST_LIFETIME_MS.snapshot),
      meta: { "targets.json": fileFact(targetsVersion, targets.bytes) },
    }),
  );
  signMetadata(metadata, keys.snapshot);
  return { name: metadataFileName("snapshot", version), bytes: encodeMetadata(metadata), metadata };
}

/** The timestamp that names this snapshot. */
export function signTimestamp(options: {
  version: number;
  snapshot: SignedFile<"snapshot">;
  keys: OnlineKeys;
  nowMs: number;
}): SignedFile<"timestamp"> {
  const { version, snapshot, keys, nowMs } = options;
  const metadata = new Metadata(
    new Timestamp({
      version,
      specVersion: TUF_SPEC_VERSION,
      expires: tufTime(nowMs + TRUST_LIFETIME_MS.timestamp),
      snapshotMeta: fileFact(snapshot.metadata.signed.version, snapshot.bytes),
    }),
  );
  signMetadata(metadata, keys.timestamp);
  return { name: "timestamp.json", bytes: encodeMetadata(metadata), metadata };
}

function fileFact(version: number, bytes: Buffer): MetaFile {
  return new MetaFile({
    version,
    length: bytes.length,
    hashes: { sha256: hash("sha256", bytes, "hex") },
  });
}
