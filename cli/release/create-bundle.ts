// SPDX-License-Identifier: Apache-2.0
/**
 * Makes a bundle from a release document and its files. The bundle appears whole under its name or
 * not at all: it is built beside it and renamed.
 */
import { randomUUID } from "node:crypto";
import { copyFile, mkdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { assert } from "../../domain/assert.ts";
import { MusterError } from "../../domain/errors.ts";
import { compareVersions } from "../../domain/version.ts";
import { floorIn } from "../../domain/version-path.ts";
import { DEFAULT_TENANT } from "../../domain/identity.ts";
import type { Json } from "../../ports/store.ts";
import {
  MAX_MANIFEST_BYTES,
  releaseManifestSchema,
  type InstallStep,
  type ReleaseArtifact,
  type ReleaseManifest,
} from "../../protocol/device/release-manifest.ts";
import { checkDocument, didYouMean, fieldError } from "../documents/document-errors.ts";
import {
  releaseDocumentSchema,
  type ReleaseDocument,
  type StepDocument,
} from "../documents/release-document.ts";
import { MAX_YAML_BYTES, parseYaml, type YamlSource } from "../documents/yaml-source.ts";
import { fileError, readBounded } from "../files.ts";
import { throwAll } from "../print-error.ts";
import {
  artifactPath,
  ARTIFACTS_FOLDER,
  BUNDLE_SUFFIX,
  digestFile,
  isThere,
  MANIFEST_FILE,
  readBundle,
  sha256Of,
  type Bundle,
} from "./bundle.ts";
import { chunkArtifact, compressionOf } from "./chunk-artifact.ts";
import { measureArchive } from "./measure-archive.ts";

const DEFAULT_HEALTH = { timeoutMs: 10_000, attempts: 3, intervalMs: 5_000 };

/** `out` null = beside the document's folder in `folder`, as `<name>-<version>.muster`. */
export async function createBundle(options: {
  documentFile: string;
  out: string | null;
  folder: string;
  /** Told what makes the release larger to move than it need be. */
  note?: (text: string) => void;
  signal: AbortSignal;
}): Promise<Bundle> {
  const { documentFile, signal } = options;
  const source = await readReleaseSource(documentFile);
  const checked = checkDocument(source, releaseDocumentSchema);
  if ("errors" in checked) throwAll(checked.errors);
  assert("value" in checked, "a document without errors has a value");
  const document = checked.value;
  throwAll([...referenceErrors(source, document), ...floorErrors(source, document)]);
  const { name, version } = document.metadata;
  const out = options.out ?? join(options.folder, `${name}-${version}${BUNDLE_SUFFIX}`);
  const files = (document.spec.artifacts ?? []).map(({ file }) =>
    resolve(dirname(documentFile), file),
  );
  const note = options.note ?? ((): void => {});
  return buildBundle({ source, document, files, out, note, signal });
}

/** `files`: of the document's artifacts, in their order. */
export async function buildBundle(options: {
  source: YamlSource;
  document: ReleaseDocument;
  files: readonly string[];
  out: string;
  note?: (text: string) => void;
  signal: AbortSignal;
}): Promise<Bundle> {
  const { source, document, files, out, note = (): void => {}, signal } = options;
  if (await isThere(out)) throw alreadyThere(out);
  const measured = await measureArtifacts({ source, document, files, note, signal });
  const manifest = toManifest(
    document,
    measured.map(({ artifact }) => artifact),
  );
  await writeBundle({ out, manifest, files, indexes: measured.map(({ index }) => index) });
  return readBundle(out);
}

/** JSON with sorted keys and no space: the same release gives the same bytes on every machine. */
export function manifestBytesOf(manifest: ReleaseManifest): Buffer {
  return Buffer.from(stableJson(JSON.parse(JSON.stringify(manifest)) as Json));
}

/**
 * Not OLPC canonical JSON, which TUF signs: it leaves control characters in text as they are, and
 * JSON parsers refuse the result (a newline in a command's argument would do).
 */
function stableJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(stableJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const fields = Object.entries(value as { readonly [key: string]: Json })
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([key, field]) => `${JSON.stringify(key)}:${stableJson(field)}`);
  return `{${fields.join(",")}}`;
}

/** The one document of the file. */
export async function readReleaseSource(file: string): Promise<YamlSource> {
  const bytes = await readBounded(file, {
    attempted: "reading the release document",
    maxBytes: MAX_YAML_BYTES,
  });
  const sources = parseYaml(bytes.toString("utf8"), file);
  const [source] = sources;
  if (source !== undefined && sources.length === 1) return source;
  throw new MusterError({
    code: "invalid_argument",
    message: `the file holds ${sources.length} documents; a release is one`,
    detail: { file },
  });
}

/** Steps that name no artifact of the release, and artifacts named twice. */
function referenceErrors(source: YamlSource, document: ReleaseDocument): MusterError[] {
  const { artifacts = [], steps } = document.spec;
  const names = artifacts.map(({ name }) => name);
  const errors = names.flatMap((name, index) =>
    names.indexOf(name) === index
      ? []
      : [
          fieldError(source, ["spec", "artifacts", index, "name"], {
            message: `the artifact ${JSON.stringify(name)} is there twice`,
          }),
        ],
  );
  steps.forEach((step, index) => {
    if (!("artifact" in step) || names.includes(step.artifact)) return;
    errors.push(
      fieldError(source, ["spec", "steps", index, "artifact"], {
        message: `there is no artifact ${JSON.stringify(step.artifact)} in this release`,
        hint:
          didYouMean(step.artifact, names) ??
          (names.length === 0
            ? "list it under spec.artifacts"
            : `there are ${[...new Set(names)].join(", ")}`),
      }),
    );
  });
  return errors;
}

/** A floor that only the release itself could reach: there is no way to it. */
function floorErrors(source: YamlSource, { metadata, spec }: ReleaseDocument): MusterError[] {
  const floor = spec.requires === undefined ? null : floorIn(spec.requires);
  if (floor === null || compareVersions(floor, metadata.version) < 0) return [];
  return [
    fieldError(source, ["spec", "requires"], {
      message: `${metadata.version} requires ${floor}, which is not below it`,
      hint: "name the lowest version from which it can be installed, or leave it out",
    }),
  ];
}

interface MeasuredArtifact {
  readonly artifact: ReleaseArtifact;
  /** The chunk index's file; null where the artifact has none. */
  readonly index: Buffer | null;
}

async function measureArtifacts(options: {
  source: YamlSource;
  document: ReleaseDocument;
  files: readonly string[];
  note: (text: string) => void;
  signal: AbortSignal;
}): Promise<MeasuredArtifact[]> {
  const { source, document, files, note, signal } = options;
  const { artifacts = [], steps } = document.spec;
  const archives = new Set(
    steps.flatMap((step) => (step.kind === "archive" ? [step.artifact] : [])),
  );
  const measured: MeasuredArtifact[] = [];
  for (const [index, { name, file }] of artifacts.entries()) {
    const path = files[index] ?? file;
    if (!(await isFile(path))) {
      throw fieldError(source, ["spec", "artifacts", index, "file"], {
        message: `the artifact ${JSON.stringify(name)} is missing: there is no file ${file}`,
        hint: "paths are relative to the folder of this document",
      });
    }
    const isArchive = archives.has(name);
    measured.push(await measureArtifact({ name, path, isArchive, note, signal }));
  }
  return measured;
}

async function measureArtifact(options: {
  name: string;
  path: string;
  isArchive: boolean;
  note: (text: string) => void;
  signal: AbortSignal;
}): Promise<MeasuredArtifact> {
  const { name, path, isArchive, note, signal } = options;
  const unpacked = isArchive ? await measureArchive(path, signal) : null;
  const facts = await digestFile(path, signal);
  const { lengthBytes } = facts;
  const index = (await chunkArtifact({ file: path, lengthBytes, signal }))?.bytes ?? null;
  const compression = index === null ? null : await compressionOf(path);
  if (compression !== null) note(compressedNote(name, compression));
  const chunkIndex = index === null ? null : { sha256: sha256Of(index), lengthBytes: index.length };
  const unpackedBytes = unpacked === null ? {} : { unpackedBytes: unpacked.unpackedBytes };
  return { artifact: { name, ...facts, ...unpackedBytes, chunkIndex }, index };
}

function compressedNote(name: string, compression: string): string {
  return (
    `The artifact ${JSON.stringify(name)} is compressed with ${compression}: its next version ` +
    "will have almost no bytes in common with it.\n" +
    "Pack it without compression, and devices fetch only what changed, compressed on the way."
  );
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (facts) => facts.isFile(),
    () => false,
  );
}

function toManifest(
  document: ReleaseDocument,
  artifacts: readonly ReleaseArtifact[],
): ReleaseManifest {
  const { metadata, spec } = document;
  const health = spec.healthCheck;
  return {
    schema: "muster.release/v1",
    tenant: metadata.tenant ?? DEFAULT_TENANT,
    name: metadata.name,
    version: metadata.version,
    slot: spec.slot,
    fits: spec.fits ?? {},
    ...(spec.requires === undefined ? {} : { requires: spec.requires }),
    artifacts,
    steps: spec.steps.map(toStep),
    ...(health === undefined
      ? {}
      : {
          healthCheck: {
            run: health.run,
            timeoutMs: health.timeout ?? DEFAULT_HEALTH.timeoutMs,
            attempts: health.attempts ?? DEFAULT_HEALTH.attempts,
            intervalMs: health.interval ?? DEFAULT_HEALTH.intervalMs,
          },
        }),
  };
}

function toStep(step: StepDocument): InstallStep {
  switch (step.kind) {
    case "archive":
      return { kind: "archive", artifact: step.artifact, to: step.to ?? "." };
    case "command":
      return {
        kind: "command",
        run: step.run,
        ...(step.timeout === undefined ? {} : { timeoutMs: step.timeout }),
      };
    case "file":
    case "service":
      return step;
  }
}

async function writeBundle(options: {
  out: string;
  manifest: ReleaseManifest;
  files: readonly string[];
  indexes: readonly (Buffer | null)[];
}): Promise<void> {
  const { out, manifest, files, indexes } = options;
  const bytes = manifestBytesOf(manifest);
  assert(releaseManifestSchema.safeParse(JSON.parse(bytes.toString())).success, "a valid manifest");
  assert(bytes.length <= MAX_MANIFEST_BYTES, "64 artifacts and 64 steps fit into a manifest");
  const partial = `${out}.${randomUUID()}.partial`;
  try {
    await mkdir(join(partial, ARTIFACTS_FOLDER), { recursive: true });
    for (const [index, artifact] of manifest.artifacts.entries()) {
      await copyFile(files[index] ?? "", artifactPath(partial, artifact.sha256));
      const chunks = indexes[index] ?? null;
      if (artifact.chunkIndex === null || chunks === null) continue;
      await writeFile(artifactPath(partial, artifact.chunkIndex.sha256), chunks);
    }
    await writeFile(join(partial, MANIFEST_FILE), bytes);
    await rename(partial, out);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw fileError("writing the bundle", out, error);
  }
}

function alreadyThere(out: string): MusterError {
  return new MusterError({
    code: "already_exists",
    message: "the bundle exists already",
    detail: { file: out, hint: "a release never changes: raise its version, or remove the bundle" },
  });
}
