// SPDX-License-Identifier: Apache-2.0
/**
 * Cuts a chunk out of a blob and compresses it, for a gateway that does not have it. The center
 * keeps no chunks: each gateway asks for one once, and a chunk costs a fraction of a millisecond to
 * compress (which is why it is done here and not in a worker).
 */
import { Code, ConnectError } from "@connectrpc/connect";
import { SHA256_PATTERN, type ArtifactStore } from "../../ports/artifact-store.ts";
import { compressChunk } from "../../protocol/chunks/chunk.ts";
import { MAX_CHUNK_BYTES } from "../../protocol/chunks/chunk-sizes.ts";

/** Throws ConnectError as the call's comment says; the gateway checks what it gets by the id. */
export async function cutChunk(
  artifacts: ArtifactStore,
  range: { readonly sha256: string; readonly startOffset: bigint; readonly lengthBytes: number },
  signal: AbortSignal,
): Promise<Uint8Array> {
  const { sha256, lengthBytes } = range;
  if (!SHA256_PATTERN.test(sha256)) throw invalid("the blob is not named by a SHA-256");
  if (lengthBytes < 1 || lengthBytes > MAX_CHUNK_BYTES) {
    throw invalid(`a chunk has 1 to ${MAX_CHUNK_BYTES} bytes, not ${lengthBytes}`);
  }
  const facts = await artifacts.stat(sha256, { signal });
  if (facts === null) throw new ConnectError("no such artifact", Code.NotFound);
  const start = Number(range.startOffset);
  const end = start + lengthBytes;
  if (end > facts.lengthBytes) throw invalid(`the blob has ${facts.lengthBytes} bytes, not ${end}`);
  const pieces: Uint8Array[] = [];
  for await (const piece of artifacts.read(sha256, { start, end, signal })) pieces.push(piece);
  return compressChunk(Buffer.concat(pieces));
}

function invalid(problem: string): ConnectError {
  return new ConnectError(`cannot cut a chunk: ${problem}`, Code.InvalidArgument);
}
