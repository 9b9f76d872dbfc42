// SPDX-License-Identifier: Apache-2.0
/**
 * What a device has to fetch for a release, given what it runs: the chunks of the release that are
 * not in the artifacts of what it runs, each once, before compression, and the indexes. Artifacts
 * without an index count whole. Measured once a pair of releases, not once a device.
 *
 * It is what a device fetches that kept the archives of what it runs; one that had no room for them
 * fetches more.
 *
 * Limits: 64 pairs and 262,144 look-ups a plan; what is beyond counts whole.
 */
import { isMusterError } from "../../domain/errors.ts";
import type { ArtifactStore } from "../../ports/artifact-store.ts";
import type { ChunkIndex } from "../../protocol/chunks/chunk-index.ts";
import {
  releaseManifestSchema,
  type ReleaseArtifact,
} from "../../protocol/device/release-manifest.ts";
import { readChunkIndex } from "./chunk-indexes.ts";
import type { ReleaseRecord } from "./release-index.ts";

const PAIRS_MAX = 64;
const LOOK_UPS_MAX = 262_144;

type Artifacts = Pick<ArtifactStore, "stat" | "read">;

interface IndexedArtifact {
  readonly artifact: ReleaseArtifact;
  readonly index: ChunkIndex | null;
}

/**
 * Answers the bytes for a device by the manifest digest of what it runs ("" = nothing known).
 * `running` has each digest once. Throws what the artifact store throws.
 */
export async function measureDownloads(options: {
  artifacts: Artifacts;
  release: Pick<ReleaseRecord, "sha256" | "downloadBytes">;
  running: Iterable<string>;
  isPublished: (digest: string) => boolean;
  signal: AbortSignal;
}): Promise<(running: string) => number> {
  const { artifacts, release, running, isPublished, signal } = options;
  const target = await readArtifacts(artifacts, release.sha256, signal);
  if (target === null) return () => release.downloadBytes;
  const wholeBytes = missingBytes(target, []);
  const bytesByRunning = new Map<string, number>();
  const chunkCount = target.reduce((sum, { index }) => sum + (index?.count ?? 0), 0);
  const pairsMax = chunkCount === 0 ? 0 : Math.min(PAIRS_MAX, LOOK_UPS_MAX / chunkCount);
  for (const digest of running) {
    if (bytesByRunning.size >= pairsMax) break;
    if (!isPublished(digest)) continue;
    const kept = (await readArtifacts(artifacts, digest, signal)) ?? [];
    const indexes = kept.flatMap(({ index }) => (index === null ? [] : [index]));
    bytesByRunning.set(digest, missingBytes(target, indexes));
  }
  return (digest) => bytesByRunning.get(digest) ?? wholeBytes;
}

/** Null when the manifest is not in the store: the release is known from elsewhere. */
async function readArtifacts(
  artifacts: Artifacts,
  digest: string,
  signal: AbortSignal,
): Promise<IndexedArtifact[] | null> {
  if ((await artifacts.stat(digest, { signal })) === null) return null;
  const pieces: Uint8Array[] = [];
  for await (const piece of artifacts.read(digest, { signal })) pieces.push(piece);
  const manifest = releaseManifestSchema.parse(JSON.parse(Buffer.concat(pieces).toString("utf8")));
  const read: IndexedArtifact[] = [];
  for (const artifact of manifest.artifacts) {
    const index = await readChunkIndex({ artifacts, artifact, signal }).catch(noneIfCorrupt);
    read.push({ artifact, index });
  }
  return read;
}

/** Devices fetch the whole then; a plan is no place to find it out. */
function noneIfCorrupt(error: unknown): null {
  if (isMusterError(error) && error.code === "corrupt") return null;
  throw error;
}

function missingBytes(target: readonly IndexedArtifact[], kept: readonly ChunkIndex[]): number {
  const counted = new Set<string>();
  let bytes = 0;
  for (const { artifact, index } of target) {
    if (index === null) {
      bytes += artifact.lengthBytes;
      continue;
    }
    bytes += index.bytes.length;
    for (let position = 0; position < index.count; position += 1) {
      const id = index.id(position);
      if (counted.has(id) || kept.some((other) => other.find(id) !== -1)) continue;
      counted.add(id);
      bytes += index.lengthBytes(position);
    }
  }
  return bytes;
}
