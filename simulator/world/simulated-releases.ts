// SPDX-License-Identifier: Apache-2.0
/** The releases of a simulated world: what the center knows of them, and the blobs behind. */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { hash53 } from "../../domain/hash.ts";
import { releaseKey, type ReleaseRecord } from "../../center/releases/release-index.ts";
import type { DocumentWrite } from "../../ports/store.ts";
import type { KnownContent } from "./deeds.ts";
import type { ReleaseManifest } from "../../protocol/device/release-manifest.ts";

export const TENANT = "default";
const NAME = "app";
/** One is drawn for each release: most are good. */
const FAILING_SHARES: readonly number[] = [0, 0, 0, 0, 0, 0.02, 0.1, 0.5];

export interface SimulatedReleases {
  /** By SHA-256: manifests and artifacts. */
  readonly blobs: ReadonlyMap<string, Buffer>;
  readonly documents: readonly DocumentWrite[];
  /** By the text of the file that a release puts on the device. */
  readonly contents: ReadonlyMap<string, KnownContent>;
  /** Of the devices: how many come to grief with that version. */
  failingShare(version: string): number;
}

/** The text of the file that a release puts on the device. */
function contentOf(version: string): string {
  return `version ${version}\n`.repeat(20);
}

/** `app@1` to `app@{count}`: one file, one command and a health check each. */
export function simulatedReleases(given: {
  count: number;
  seed: string;
  nowMs: number;
}): SimulatedReleases {
  const { count, seed, nowMs } = given;
  const contents = new Map<string, KnownContent>();
  const blobs = new Map<string, Buffer>();
  const documents: DocumentWrite[] = [];
  const keep = (bytes: Buffer): string => {
    const digest = createHash("sha256").update(bytes).digest("hex");
    blobs.set(digest, bytes);
    return digest;
  };
  for (let number = 1; number <= count; number++) {
    const version = String(number);
    const artifact = Buffer.from(contentOf(version));
    const manifest = Buffer.from(JSON.stringify(manifestOf(version, keep(artifact), artifact)));
    const sha256 = keep(manifest);
    contents.set(contentOf(version), { digest: sha256, version });
    const value = {
      tenant: TENANT,
      name: NAME,
      version,
      slot: "app",
      sha256,
      manifestBytes: manifest.length,
      downloadBytes: artifact.length,
      fits: {},
      floor: "",
      publishedAtMs: nowMs,
      publishedBy: "simulation",
    } satisfies ReleaseRecord;
    const key = releaseKey(TENANT, NAME, version);
    documents.push({ kind: "release", key, expectedRevision: 0, value });
  }
  const failingShare = (version: string): number =>
    FAILING_SHARES[hash53(seed, `quality of ${version}`) % FAILING_SHARES.length] ?? 0;
  return { blobs, documents, contents, failingShare };
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
      { kind: "command", run: ["install-app", version] },
    ],
    healthCheck: { run: ["check-app", version], timeoutMs: 10_000, attempts: 3, intervalMs: 1_000 },
  };
}
