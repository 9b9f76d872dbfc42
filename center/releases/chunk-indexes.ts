// SPDX-License-Identifier: Apache-2.0
/** The chunk indexes of published artifacts, as they lie in the artifact store. */
import { isMusterError, MusterError } from "../../domain/errors.ts";
import type { ArtifactStore } from "../../ports/artifact-store.ts";
import { ChunkIndex, MAX_CHUNK_INDEX_BYTES } from "../../protocol/chunks/chunk-index.ts";
import type { ReleaseArtifact } from "../../protocol/device/release-manifest.ts";

/**
 * The index of an artifact; null when it has none, or none was uploaded. Throws `corrupt` when it
 * does not describe a blob of the artifact's length.
 */
export async function readChunkIndex(options: {
  artifacts: Pick<ArtifactStore, "stat" | "read">;
  artifact: ReleaseArtifact;
  signal: AbortSignal;
}): Promise<ChunkIndex | null> {
  const { artifacts, artifact, signal } = options;
  const named = artifact.chunkIndex;
  if (named === null) return null;
  const facts = await artifacts.stat(named.sha256, { signal });
  if (facts === null || facts.lengthBytes !== named.lengthBytes) return null;
  if (facts.lengthBytes > MAX_CHUNK_INDEX_BYTES) throw mismatch("it is larger than any index");
  const pieces: Uint8Array[] = [];
  for await (const piece of artifacts.read(named.sha256, { signal })) pieces.push(piece);
  const index = ChunkIndex.parse(Buffer.concat(pieces));
  if (index.totalBytes === artifact.lengthBytes) return index;
  throw mismatch(`it describes ${index.totalBytes} bytes, not ${artifact.lengthBytes}`);
}

/** Throws `failed_precondition` when the index that an artifact names is not there, or is wrong. */
export async function requireChunkIndex(options: {
  artifacts: ArtifactStore;
  artifact: ReleaseArtifact;
  release: string;
  signal: AbortSignal;
}): Promise<void> {
  const { artifact, release } = options;
  if (artifact.chunkIndex === null) return;
  let problem: string;
  try {
    if ((await readChunkIndex(options)) !== null) return;
    problem = `the chunk index of artifact ${artifact.name} was not uploaded`;
  } catch (error) {
    if (!isMusterError(error) || error.code !== "corrupt") throw error;
    problem = `artifact ${artifact.name}: ${error.message}`;
  }
  throw new MusterError({
    code: "failed_precondition",
    message: `cannot publish ${release}: ${problem}`,
    detail: { field: "artifacts", hint: "make the bundle again, then: muster apply -f BUNDLE" },
  });
}

function mismatch(problem: string): MusterError {
  return new MusterError({ code: "corrupt", message: `the chunk index is wrong: ${problem}` });
}
