// SPDX-License-Identifier: Apache-2.0
/**
 * Publishes a release: checks the manifest and that everything it names is there, then makes it a
 * TUF target under the operator's signature, then remembers it. Repeating it after a crash at any
 * point ends in the same state.
 */
import { createHash } from "node:crypto";
import { isMusterError, MusterError } from "../../domain/errors.ts";
import type { ArtifactStore } from "../../ports/artifact-store.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Json, Store } from "../../ports/store.ts";
import {
  MAX_MANIFEST_BYTES,
  releaseManifestSchema,
  releaseTarget,
  type ReleaseManifest,
} from "../../protocol/device/release-manifest.ts";
import { requireFloor } from "./release-floor.ts";
import { requireChunkIndex } from "./chunk-indexes.ts";
import { parseMetadata, untrusted } from "../../protocol/trust/tuf-metadata.ts";
import { findTarget } from "../../protocol/trust/tuf-targets.ts";
import type { PublishResult } from "../identity/trust-repository.ts";
import {
  MAX_RELEASES,
  releaseKey,
  type ReleaseIndex,
  type ReleaseRecord,
} from "./release-index.ts";
import { valid } from "semver";

export interface ReleasePublisherOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly artifacts: ArtifactStore;
  readonly releases: ReleaseIndex;
  readonly trust: {
    currentTargets(): { readonly version: number };
    target(path: string): { readonly sha256: string; readonly lengthBytes: number } | null;
    publishTargets(options: {
      bytes: Uint8Array;
      expectedVersion: number;
      signal: AbortSignal;
    }): Promise<PublishResult>;
  };
}

export interface Publication {
  readonly tenant: string;
  readonly manifest: Uint8Array;
  /** Signed targets.json that lists the manifest. */
  readonly targets: Uint8Array;
  readonly actor: string;
  readonly reason: string;
}

/** Throws `invalid_argument`, `failed_precondition`, `untrusted`, `already_exists`, `conflict`. */
export async function publishRelease(
  options: ReleasePublisherOptions,
  publication: Publication,
  signal: AbortSignal,
): Promise<{ release: ReleaseRecord; created: boolean }> {
  const bytes = Buffer.from(publication.manifest);
  const manifest = readManifest(bytes, publication.tenant);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const name = `${manifest.name}@${manifest.version}`;
  const existing = options.releases.get(manifest.tenant, manifest.name, manifest.version);
  if (existing !== undefined) {
    if (existing.sha256 === sha256) return { release: existing, created: false };
    throw new MusterError({
      code: "already_exists",
      message: `release ${name} is published already with other content; releases never change`,
      detail: { field: "version", hint: "give the new content a new version" },
    });
  }
  if (options.releases.count >= MAX_RELEASES) {
    throw new MusterError({
      code: "resource_exhausted",
      message: `cannot publish ${name}: ${MAX_RELEASES} releases are published already`,
    });
  }
  const floor = requireFloor(options.releases, manifest);
  await requireArtifacts(options.artifacts, manifest, name, signal);
  const facts = { sha256, lengthBytes: bytes.length };
  await options.artifacts.put(facts, once(bytes), { signal });
  await publishTarget(options, publication, manifest, sha256, signal);
  const release: ReleaseRecord = {
    tenant: manifest.tenant,
    name: manifest.name,
    version: manifest.version,
    slot: manifest.slot,
    sha256,
    manifestBytes: bytes.length,
    downloadBytes: manifest.artifacts.reduce((sum, artifact) => sum + artifact.lengthBytes, 0),
    fits: manifest.fits,
    floor,
    publishedAtMs: options.clock.wallMs(),
    publishedBy: publication.actor,
  };
  await remember(options, release, publication, signal);
  return { release, created: true };
}

function readManifest(bytes: Buffer, tenant: string): ReleaseManifest {
  if (bytes.length > MAX_MANIFEST_BYTES) {
    throw invalid(`the manifest is ${bytes.length} bytes; the limit is ${MAX_MANIFEST_BYTES}`);
  }
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString("utf8"));
  } catch {
    throw invalid("the manifest is not JSON");
  }
  const parsed = releaseManifestSchema.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const field = issue?.path.join(".") ?? "";
    throw invalid(`the manifest's ${field === "" ? "content" : field}: ${issue?.message ?? ""}`);
  }
  if (parsed.data.tenant !== tenant) {
    throw invalid(`the manifest is of tenant ${parsed.data.tenant}, not ${tenant}`);
  }
  if (valid(parsed.data.version) === null) {
    throw invalid(
      `version ${JSON.stringify(parsed.data.version)} is no semantic version like 1.2.3`,
    );
  }
  return parsed.data;
}

async function requireArtifacts(
  artifacts: ArtifactStore,
  manifest: ReleaseManifest,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  for (const artifact of manifest.artifacts) {
    const facts = await artifacts.stat(artifact.sha256, { signal });
    if (facts?.lengthBytes === artifact.lengthBytes) {
      await requireChunkIndex({ artifacts, artifact, release: name, signal });
      continue;
    }
    throw new MusterError({
      code: "failed_precondition",
      message:
        `cannot publish ${name}: artifact ${artifact.name} (SHA-256 ${artifact.sha256}) ` +
        (facts === null ? "was not uploaded" : `has ${facts.lengthBytes} bytes here`),
      detail: { field: "artifacts", hint: "upload it with: muster apply -f BUNDLE" },
    });
  }
}

async function publishTarget(
  options: ReleasePublisherOptions,
  publication: Publication,
  manifest: ReleaseManifest,
  sha256: string,
  signal: AbortSignal,
): Promise<void> {
  const { trust } = options;
  const path = releaseTarget(manifest.tenant, manifest.name, manifest.version);
  if (trust.target(path)?.sha256 === sha256) return; // published before a crash
  const { version } = trust.currentTargets();
  const bytes = publication.targets;
  const published = await signAgainIfUntrusted(async () => {
    const signed = parseMetadata("targets", Buffer.from(bytes), "the signed targets").signed;
    if (findTarget(signed, path)?.sha256 !== sha256) {
      throw untrusted(`the signed targets do not name this manifest under ${path}`);
    }
    return trust.publishTargets({ bytes, expectedVersion: version, signal });
  });
  if (!published.ok) {
    throw new MusterError({
      code: "conflict",
      message:
        `the signed targets are not the successor of version ${published.currentVersion}: ` +
        "somebody published in between",
      detail: { hint: SIGN_AGAIN },
    });
  }
}

const SIGN_AGAIN = "sign the bundle again: muster release sign BUNDLE --key FILE";

/** What does not verify was signed with another key, or changed since: signing again helps. */
async function signAgainIfUntrusted<Value>(publish: () => Promise<Value>): Promise<Value> {
  try {
    return await publish();
  } catch (error) {
    if (!isMusterError(error) || error.code !== "untrusted") throw error;
    throw new MusterError({
      code: "untrusted",
      message: error.message,
      detail: { hint: SIGN_AGAIN, ...error.detail },
      cause: error,
    });
  }
}

async function remember(
  options: ReleasePublisherOptions,
  release: ReleaseRecord,
  publication: Publication,
  signal: AbortSignal,
): Promise<void> {
  const key = releaseKey(release.tenant, release.name, release.version);
  const result = await options.store.commit(
    {
      documents: [{ kind: "release", key, expectedRevision: 0, value: release as unknown as Json }],
      audit: [
        {
          tenant: release.tenant,
          actor: publication.actor,
          action: "release.publish",
          subject: `release/${key}`,
          reason: publication.reason,
          detail: { sha256: release.sha256, downloadBytes: release.downloadBytes },
        },
      ],
    },
    { signal },
  );
  if (!result.ok) {
    throw new MusterError({
      code: "conflict",
      message: `release ${key} is being published by somebody else at the same time`,
    });
  }
  options.releases.add(release);
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function invalid(message: string): MusterError {
  return new MusterError({
    code: "invalid_argument",
    message: `cannot publish the release: ${message}`,
    detail: { field: "manifest", hint: "make the bundle with: muster release create" },
  });
}
