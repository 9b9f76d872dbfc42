// SPDX-License-Identifier: Apache-2.0
/**
 * A release bundle on disk, `<name>-<version>.muster/`:
 *
 *     manifest.json       what it holds and how it is installed; its SHA-256 is its identity
 *     artifacts/<sha256>  the files that the manifest names, and their chunk indexes
 *     targets.json        after `muster release sign`: signed metadata that lists the manifest
 *
 * The manifest's bytes are fixed once written: they are hashed and signed as they are.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { access, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { MusterError } from "../../domain/errors.ts";
import {
  MAX_MANIFEST_BYTES,
  releaseManifestSchema,
  type ReleaseManifest,
} from "../../protocol/device/release-manifest.ts";
import { MAX_METADATA_BYTES } from "../../protocol/trust/tuf-metadata.ts";
import { fileError, readBounded } from "../files.ts";

export const BUNDLE_SUFFIX = ".muster";
export const MANIFEST_FILE = "manifest.json";
export const TARGETS_FILE = "targets.json";
export const ARTIFACTS_FOLDER = "artifacts";

export interface Bundle {
  readonly folder: string;
  readonly manifest: ReleaseManifest;
  readonly manifestBytes: Buffer;
  /** Of the manifest: the release's identity. */
  readonly sha256: string;
}

/** Reads and checks the manifest; artifacts are checked by `verifyArtifacts`. */
export async function readBundle(folder: string): Promise<Bundle> {
  const file = join(folder, MANIFEST_FILE);
  const manifestBytes = await readBounded(file, {
    attempted: "reading the release bundle",
    maxBytes: MAX_MANIFEST_BYTES,
  });
  const manifest = parseManifest(manifestBytes, file);
  return { folder, manifest, manifestBytes, sha256: sha256Of(manifestBytes) };
}

/** The signed metadata, or null when the bundle is not signed. */
export async function readBundleTargets(folder: string): Promise<Buffer | null> {
  const file = join(folder, TARGETS_FILE);
  const isSigned = await access(file).then(
    () => true,
    () => false,
  );
  if (!isSigned) return null;
  return readBounded(file, {
    attempted: "reading the bundle's signature",
    maxBytes: MAX_METADATA_BYTES.targets,
  });
}

/** The place of an artifact. */
export function artifactPath(folder: string, sha256: string): string {
  return join(folder, ARTIFACTS_FOLDER, sha256);
}

/** A file of a bundle. */
export interface BundleFile {
  /** For people: `app`, or `app (chunk index)`. */
  readonly name: string;
  readonly sha256: string;
  readonly lengthBytes: number;
}

/** What lies in the artifacts folder: each artifact, and its chunk index behind it. */
export function bundleFiles(manifest: ReleaseManifest): BundleFile[] {
  return manifest.artifacts.flatMap(({ name, sha256, lengthBytes, chunkIndex }) => [
    { name, sha256, lengthBytes },
    ...(chunkIndex === null ? [] : [{ name: `${name} (chunk index)`, ...chunkIndex }]),
  ]);
}

/** Throws `untrusted` at the first artifact that is missing or is not what the manifest says. */
export async function verifyArtifacts(bundle: Bundle, signal: AbortSignal): Promise<void> {
  for (const file of bundleFiles(bundle.manifest)) {
    const path = artifactPath(bundle.folder, file.sha256);
    const found = await digestFile(path, signal).catch((error: unknown) => {
      throw fileError(`reading the artifact ${JSON.stringify(file.name)}`, path, error);
    });
    if (found.sha256 === file.sha256 && found.lengthBytes === file.lengthBytes) continue;
    throw new MusterError({
      code: "untrusted",
      message:
        `the artifact ${JSON.stringify(file.name)} is not the one that the manifest names: ` +
        `it has ${found.lengthBytes} bytes with SHA-256 ${found.sha256}`,
      detail: { file: path, hint: "make the bundle again with `muster release create`" },
    });
  }
}

/** SHA-256 and length of a file, read once. Throws what the file system throws. */
export async function digestFile(
  path: string,
  signal: AbortSignal,
): Promise<{ sha256: string; lengthBytes: number }> {
  const hash = createHash("sha256");
  let lengthBytes = 0;
  for await (const chunk of createReadStream(path, { signal })) {
    const bytes = chunk as Buffer;
    hash.update(bytes);
    lengthBytes += bytes.length;
  }
  return { sha256: hash.digest("hex"), lengthBytes };
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Whether something is there already. */
export async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** A private key or root file as text. */
export async function readText(path: string, attempted: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw fileError(attempted, path, error);
  }
}

function parseManifest(bytes: Buffer, file: string): ReleaseManifest {
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    throw new MusterError({
      code: "invalid_argument",
      message: "the release manifest is not JSON",
      detail: { file, hint: "make the bundle again with `muster release create`" },
      cause,
    });
  }
  const parsed = releaseManifestSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new MusterError({
    code: "invalid_argument",
    message: `the release manifest is not one of ours: ${issue?.message ?? "wrong shape"}`,
    detail: {
      file,
      field: (issue?.path ?? []).join("."),
      hint: "make the bundle again with `muster release create`",
    },
    cause: parsed.error,
  });
}
