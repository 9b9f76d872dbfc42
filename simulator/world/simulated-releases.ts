// SPDX-License-Identifier: Apache-2.0
/** The releases of a simulated world: what the center knows of them, and the blobs behind. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { releaseKey, type ReleaseRecord } from "../../center/releases/release-index.ts";
import type { DocumentWrite } from "../../ports/store.ts";
import type { ReleaseManifest } from "../../protocol/device/release-manifest.ts";

export const TENANT = "default";
const NAME = "app";

export interface SimulatedReleases {
  /** By SHA-256: manifests and artifacts. */
  readonly blobs: ReadonlyMap<string, Buffer>;
  /** SHA-256 of the manifests; the release at `index` has the version `index + 1`. */
  readonly digests: readonly string[];
  readonly documents: readonly DocumentWrite[];
}

/** `app@1` to `app@{count}`: one file, one command and a health check each. */
export function simulatedReleases(count: number, nowMs: number): SimulatedReleases {
  const blobs = new Map<string, Buffer>();
  const digests: string[] = [];
  const documents: DocumentWrite[] = [];
  const keep = (bytes: Buffer): string => {
    const digest = createHash("sha256").update(bytes).digest("hex");
    blobs.set(digest, bytes);
    return digest;
  };
  for (let number = 1; number <= count; number++) {
    const version = String(number);
    const artifact = Buffer.from(`version ${version}\n`.repeat(20));
    const manifest = Buffer.from(JSON.stringify(manifestOf(version, keep(artifact), artifact)));
    const sha256 = keep(manifest);
    digests.push(sha256);
    const value = {
      tenant: TENANT,
      name: NAME,
      version,
      slot: "app",
      sha256,
      manifestBytes: manifest.length,
      downloadBytes: artifact.length,
      fits: {},
      publishedAtMs: nowMs,
      publishedBy: "simulation",
    } satisfies ReleaseRecord;
    const key = releaseKey(TENANT, NAME, version);
    documents.push({ kind: "release", key, expectedRevision: 0, value });
  }
  return { blobs, digests, documents };
}

function manifestOf(version: string, sha256: string, artifact: Buffer): ReleaseManifest {
  const lengthBytes = artifact.length;
  return {
    schema: "muster.release/v1",
    tenant: TENANT,
    name: NAME,
    version,
    slot: "app",
    fits: {},
    artifacts: [{ name: "app.txt", sha256, lengthBytes, chunkIndex: null }],
    steps: [
      { kind: "file", artifact: "app.txt", to: "app.txt", mode: "0644" },
      { kind: "command", run: ["install-app"] },
    ],
    healthCheck: { run: ["check-app"], timeoutMs: 10_000, attempts: 3, intervalMs: 1_000 },
  };
}
