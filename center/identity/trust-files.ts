// SPDX-License-Identifier: Apache-2.0
/**
 * The TUF metadata on the center's disk, in one folder: `1.root.json` and later roots, numbered
 * snapshots and targets, and `timestamp.json`, which alone decides what is current: it names the
 * snapshot, which names the targets. So a publication writes targets, snapshot, timestamp in that
 * order, and one torn by a power cut leaves numbered files that nothing names; opening removes
 * them. The version before the current one stays, for readers in the middle of a refresh.
 */
import { hash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { MetaFile } from "@tufjs/models";
import { MusterError } from "../../domain/errors.ts";
import {
  readFileIfPresent,
  removeFile,
  writeDurableFile,
} from "../../protocol/trust/durable-file.ts";
import {
  metadataFileName,
  parseMetadata,
  verifyRoleSignature,
} from "../../protocol/trust/tuf-metadata.ts";
import type { TufMetadataByRole, TufRole } from "../../protocol/trust/tuf-metadata.ts";

/** One published file. */
export interface TrustFile {
  readonly name: string;
  readonly bytes: Buffer;
}

export interface SignedFile<R extends TufRole> extends TrustFile {
  readonly metadata: TufMetadataByRole[R];
}

/** What is published at a moment: one consistent set. */
export interface TrustSet {
  /** Version 1 first. */
  readonly roots: readonly SignedFile<"root">[];
  readonly timestamp: SignedFile<"timestamp">;
  readonly snapshot: SignedFile<"snapshot">;
  readonly targets: SignedFile<"targets">;
  /** Snapshot and targets before the current ones, where they exist. */
  readonly previous: readonly TrustFile[];
}

const NUMBERED_FILE = /^(\d{1,10})\.(snapshot|targets)\.json$/;

/** Writes a metadata file durably. */
export async function writeTrustFile(directory: string, file: TrustFile): Promise<void> {
  await writeDurableFile(join(directory, file.name), file.bytes);
}

/**
 * Reads and verifies the current set and removes what a torn publication left. Null when there is
 * no timestamp, that is, no repository yet. Throws `corrupt` when the set does not hold together.
 */
export async function loadTrustSet(directory: string): Promise<TrustSet | null> {
  const timestampBytes = await readFileIfPresent(join(directory, "timestamp.json"));
  const roots = await loadRoots(directory);
  const root = roots.at(-1);
  if (timestampBytes === null) return null;
  if (root === undefined) throw corrupt(directory, "1.root.json", "is missing");
  const name = "timestamp.json";
  const timestamp = verified(directory, "timestamp", { name, bytes: timestampBytes }, root);
  const snapshot = await loadNamed(directory, {
    role: "snapshot",
    fact: timestamp.metadata.signed.snapshotMeta,
    root,
  });
  const targetsFact = snapshot.metadata.signed.meta["targets.json"];
  if (targetsFact === undefined) throw corrupt(directory, snapshot.name, "names no targets");
  const targets = await loadNamed(directory, { role: "targets", fact: targetsFact, root });
  await removeOutdated(directory, { snapshot, targets });
  const previous = await loadPrevious(directory, [snapshot.metadata, targets.metadata]);
  return { roots, timestamp, snapshot, targets, previous };
}

/** All files of a set, for whoever hands them to devices. */
export function listTrustFiles(set: TrustSet): readonly TrustFile[] {
  const { roots, timestamp, snapshot, targets, previous } = set;
  return [...roots, ...previous, targets, snapshot, timestamp].map(({ name, bytes }) => ({
    name,
    bytes,
  }));
}

/**
 * Roots from version 1 upwards; each later one must be signed by its predecessor's keys and its
 * own.
 */
async function loadRoots(directory: string): Promise<readonly SignedFile<"root">[]> {
  const roots: SignedFile<"root">[] = [];
  for (;;) {
    const name = metadataFileName("root", roots.length + 1);
    const bytes = await readFileIfPresent(join(directory, name));
    if (bytes === null) return roots;
    const metadata = asCorrupt(directory, name, () => parseMetadata("root", bytes, name));
    const file = { name, bytes, metadata };
    for (const signer of [roots.at(-1) ?? file, file]) {
      asCorrupt(directory, name, () => {
        verifyRoleSignature(signer.metadata, "root", metadata, name);
      });
    }
    if (metadata.signed.version !== roots.length + 1) {
      throw corrupt(directory, name, `holds version ${metadata.signed.version}`);
    }
    roots.push(file);
  }
}

async function loadNamed<R extends "snapshot" | "targets">(
  directory: string,
  options: { role: R; fact: MetaFile; root: SignedFile<"root"> },
): Promise<SignedFile<R>> {
  const { role, fact, root } = options;
  const name = metadataFileName(role, fact.version);
  const bytes = await readFileIfPresent(join(directory, name));
  if (bytes === null) throw corrupt(directory, name, "is missing");
  const file = verified(directory, role, { name, bytes }, root);
  if (fact.hashes?.["sha256"] !== hash("sha256", bytes, "hex")) {
    throw corrupt(directory, name, "is not what was published");
  }
  return file;
}

function verified<R extends TufRole>(
  directory: string,
  role: R,
  file: TrustFile,
  root: SignedFile<"root">,
): SignedFile<R> {
  return asCorrupt(directory, file.name, () => {
    const metadata = parseMetadata(role, file.bytes, file.name);
    verifyRoleSignature(root.metadata, role, metadata, file.name);
    return { ...file, metadata };
  });
}

/** Removes numbered snapshots and targets but the current ones and those before them. */
export async function removeOutdated(
  directory: string,
  current: Pick<TrustSet, "snapshot" | "targets">,
): Promise<void> {
  for (const name of await readdir(directory)) {
    const match = NUMBERED_FILE.exec(name);
    if (match === null) continue;
    const version = Number(match[1]);
    const named = match[2] === "snapshot" ? current.snapshot : current.targets;
    const newest = named.metadata.signed.version;
    if (version > newest || version < newest - 1) await removeFile(join(directory, name));
  }
}

async function loadPrevious(
  directory: string,
  current: readonly [TufMetadataByRole["snapshot"], TufMetadataByRole["targets"]],
): Promise<readonly TrustFile[]> {
  const previous: TrustFile[] = [];
  for (const { signed } of current) {
    const name = metadataFileName(signed.type, signed.version - 1);
    const bytes = await readFileIfPresent(join(directory, name));
    if (bytes !== null) previous.push({ name, bytes });
  }
  return previous;
}

function asCorrupt<T>(directory: string, name: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw corrupt(directory, name, "does not verify", cause);
  }
}

function corrupt(directory: string, name: string, problem: string, cause?: unknown): MusterError {
  return new MusterError({
    code: "corrupt",
    message: `the trust metadata ${name} ${problem}`,
    detail: { file: join(directory, name), hint: "restore the trust folder from a backup" },
    cause,
  });
}
