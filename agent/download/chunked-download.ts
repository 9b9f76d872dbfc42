// SPDX-License-Identifier: Apache-2.0
/**
 * Puts a blob together from chunks, front to back: each from an earlier archive, from what of the
 * blob is written already, or else from the gateway. A chunk is checked by its id before it is
 * written, so the part holds nothing but the blob's own chunks, and an interruption costs the one
 * that was on its way.
 *
 * The index is kept beside the part and goes with the blob afterwards: it makes the blob a source
 * for the next version, without chunking it here.
 *
 * Limits: one chunk in memory and on its way at a time; indexes as ChunkIndex says.
 */
import type { Logger } from "../../ports/logger.ts";
import { chunkPath, openChunk } from "../../protocol/chunks/chunk.ts";
import type { ChunkIndex } from "../../protocol/chunks/chunk-index.ts";
import { faultPoint } from "../../runtime/faults.ts";
import type { Files } from "../files/files.ts";
import type { GatewayAddress } from "../link/gateway-address.ts";
import { indexBeside, type DataLayout } from "../slots/slot-layout.ts";
import type { BlobSource } from "./blob-source.ts";
import { readFromSources, readIndex, wholeChunkBytes, type ChunkSource } from "./chunk-sources.ts";
import type { DownloadPace } from "./download-pace.ts";
import type { DownloadRequest } from "./downloader.ts";
import type { PartFile } from "./part-file.ts";
import { openSeeds } from "./seed-store.ts";
import { busy, incomplete, type Incomplete } from "./try-result.ts";

/** zstd adds at most this to what it cannot compress (a 255th and a frame). */
const COMPRESSION_EXCESS_BYTES = 8_192;

export interface ChunkedDownloadOptions {
  readonly files: Files;
  readonly layout: DataLayout;
  readonly source: BlobSource;
  readonly logger: Logger;
  readonly onBytes: (byteCount: number) => void;
  readonly pace: DownloadPace;
}

/** What the part came to: full, to be verified as a whole, or not. */
export type AdvanceResult = { readonly kind: "full" } | Incomplete;

export class ChunkedDownload {
  readonly #options: ChunkedDownloadOptions;
  readonly #request: DownloadRequest;
  readonly #index: ChunkIndex;
  readonly #seeds: readonly ChunkSource[];
  #fetchedBytes = 0;
  #foundBytes = 0;

  private constructor(
    options: ChunkedDownloadOptions,
    request: DownloadRequest,
    parts: { index: ChunkIndex; seeds: readonly ChunkSource[] },
  ) {
    this.#options = options;
    this.#request = request;
    this.#index = parts.index;
    this.#seeds = parts.seeds;
  }

  /**
   * Null when there is no index that can be used: the blob is then fetched whole. `fetchIndex`
   * brings the blob of that digest to its place in the downloads. What an earlier try left of the
   * part is cut back to whole chunks.
   */
  static async open(
    options: ChunkedDownloadOptions & {
      readonly request: DownloadRequest;
      readonly partPath: string;
      readonly fetchIndex: (blob: { sha256: string; lengthBytes: number }) => Promise<boolean>;
    },
  ): Promise<ChunkedDownload | null> {
    const { files, layout, logger, request, partPath } = options;
    const { sha256, lengthBytes, chunkIndex, signal } = request;
    if (chunkIndex === undefined) return null;
    const indexPath = indexBeside(layout.download(sha256));
    if ((await files.facts(indexPath))?.sizeBytes !== chunkIndex.lengthBytes) {
      if (!(await options.fetchIndex(chunkIndex))) return null;
      await files.rename(layout.download(chunkIndex.sha256), indexPath);
    }
    const index = await readIndex(files, indexPath, logger);
    if (index === null || index.totalBytes !== lengthBytes) {
      logger.warn("The chunk index does not fit; fetching the whole artifact.", { sha256 });
      await files.remove(indexPath);
      return null;
    }
    const facts = await files.facts(partPath);
    if (facts !== null) {
      const wholeBytes = await wholeChunkBytes({ files, path: partPath, index, signal });
      if (wholeBytes < facts.sizeBytes) await files.truncate(partPath, wholeBytes);
    }
    return new ChunkedDownload(options, request, { index, seeds: await openSeeds(options) });
  }

  /** Goes on from what the part has. Throws what Files throws, and `unavailable`. */
  async advance(part: PartFile, gateway: GatewayAddress): Promise<AdvanceResult> {
    const { files, logger } = this.#options;
    const { sha256, lengthBytes, signal } = this.#request;
    const index = this.#index;
    const own = { path: part.path, index, endBytes: () => part.sizeBytes };
    const sources = [...this.#seeds, own];
    for (let position = index.positionAt(part.sizeBytes); position < index.count; position += 1) {
      signal.throwIfAborted();
      const chunk = { id: index.id(position), lengthBytes: index.lengthBytes(position) };
      let bytes = await readFromSources(files, sources, chunk);
      if (bytes === null) {
        const fetched = await this.#fetch(gateway, chunk);
        if ("kind" in fetched) return fetched;
        bytes = fetched.bytes;
      } else this.#foundBytes += chunk.lengthBytes;
      await part.append(bytes);
      faultPoint("agent.chunk.written");
    }
    const [fetchedBytes, foundBytes] = [this.#fetchedBytes, this.#foundBytes];
    const facts = { sha256, lengthBytes, fetchedBytes, foundBytes };
    logger.info("An artifact was put together from chunks.", facts);
    return { kind: "full" };
  }

  async #fetch(
    gateway: GatewayAddress,
    chunk: { readonly id: string; readonly lengthBytes: number },
  ): Promise<{ readonly bytes: Uint8Array } | Incomplete> {
    const { sha256, chunkIndex, rollout, signal } = this.#request;
    const { source, onBytes, pace } = this.#options;
    const path = `/artifacts/sha256/${sha256}/chunks/${chunkIndex?.sha256}/${chunkPath(chunk.id)}`;
    const asked = { gateway, path, fromByte: 0, rollout, reusesConnection: true, signal };
    const answer = await source.get(asked);
    switch (answer.kind) {
      case "bytes": {
        const data = await collect(answer.body, chunk.lengthBytes + COMPRESSION_EXCESS_BYTES);
        const byteCount = data?.length ?? 0;
        onBytes(byteCount);
        await pace.took(byteCount, signal);
        this.#fetchedBytes += byteCount;
        faultPoint("agent.download.middle");
        const bytes = data === null ? null : openChunk(data, chunk.id, chunk.lengthBytes);
        if (bytes !== null) return { bytes };
        return incomplete("digest-mismatch", `what came is not chunk ${chunk.id}`);
      }
      case "not-found":
      case "bad-range": {
        const why = "the gateway has no chunks of the artifact; fetching it whole";
        return { ...incomplete("download-failed", why), isForWhole: true };
      }
      case "busy":
        return busy(answer.retryAfterMs);
      case "error":
        return incomplete("download-failed", `the gateway answered with status ${answer.status}`);
    }
  }
}

/** Null when it is longer. */
async function collect(body: AsyncIterable<Uint8Array>, bytesMax: number): Promise<Buffer | null> {
  const pieces: Uint8Array[] = [];
  let byteCount = 0;
  for await (const piece of body) {
    byteCount += piece.byteLength;
    if (byteCount > bytesMax) return null;
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
