// SPDX-License-Identifier: Apache-2.0
/** A gateway that serves artifacts whole and in chunks, and counts what it is asked for. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ServerResponse } from "node:http";
import { compressChunk } from "../../../protocol/chunks/chunk.ts";
import type { DownloadRequest } from "../../../agent/download/downloader.ts";
import type { ChunkedBlob } from "../../helpers/chunked-blob.ts";
import type { Answer } from "./download-fixture.ts";

const CHUNK_PATH = /^\/artifacts\/sha256\/(\w{64})\/chunks\/(\w{64})\/\w{4}\/(\w{64})\.cacnk$/;

export class ChunkServer {
  /** How often each chunk was asked for, by id. */
  readonly chunkRequests: Map<string, number> = new Map();
  /** How often each blob was asked for whole or from an offset, by digest. */
  readonly blobRequests: Map<string, number> = new Map();
  /** Bodies, without their headers. */
  sentBytes = 0;
  /** Changes a chunk on its way. */
  spoil: (id: string, data: Buffer) => Buffer = (_id, data) => data;
  /** A gateway of before chunks does not know their paths. */
  knowsChunks = true;
  readonly #blobs = new Map<string, Buffer>();
  readonly #archives = new Map<string, ChunkedBlob>();
  #store: string | null = null;

  add(archive: ChunkedBlob): void {
    this.#archives.set(archive.sha256, archive);
    this.#blobs.set(archive.sha256, archive.blob);
    this.#blobs.set(archive.indexSha256, archive.index.bytes);
  }

  /** Serves the chunks that lie in this store, as they are. */
  serveStore(folder: string): void {
    this.#store = folder;
  }

  /** Chunks that were asked for more than once, each time counted. */
  get repeatedCount(): number {
    return [...this.chunkRequests.values()].reduce((sum, count) => sum + count - 1, 0);
  }

  readonly answer: Answer = (request, response) => {
    const path = request.url ?? "";
    const chunk = this.knowsChunks ? CHUNK_PATH.exec(path) : null;
    if (chunk !== null) {
      const [, blob, , id] = chunk as unknown as [string, string, string, string];
      void this.#sendChunk(response, blob, id);
      return;
    }
    const sha256 = path.replace("/artifacts/sha256/", "");
    const blob = this.#blobs.get(sha256);
    if (blob === undefined) return void response.writeHead(404).end();
    this.blobRequests.set(sha256, (this.blobRequests.get(sha256) ?? 0) + 1);
    const begin = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "bytes=0-")?.[1]);
    if (begin > 0) {
      const range = `bytes ${begin}-${blob.length - 1}/${blob.length}`;
      response.writeHead(206, { "content-range": range });
    }
    this.sentBytes += blob.length - begin;
    response.end(blob.subarray(begin));
  };

  async #sendChunk(response: ServerResponse, sha256: string, id: string): Promise<void> {
    this.chunkRequests.set(id, (this.chunkRequests.get(id) ?? 0) + 1);
    const data = await this.#chunk(sha256, id);
    if (data === null) return void response.writeHead(404).end();
    const sent = this.spoil(id, data);
    this.sentBytes += sent.length;
    response.writeHead(200, { "content-length": sent.length }).end(sent);
  }

  async #chunk(sha256: string, id: string): Promise<Buffer | null> {
    if (this.#store !== null) {
      return readFile(join(this.#store, id.slice(0, 4), `${id}.cacnk`)).catch(() => null);
    }
    const archive = this.#archives.get(sha256);
    const position = archive?.index.find(id) ?? -1;
    if (archive === undefined || position === -1) return null;
    const { blob, index } = archive;
    return compressChunk(blob.subarray(index.start(position), index.end(position)));
  }
}

export function requestOf(archive: ChunkedBlob, signal: AbortSignal): DownloadRequest {
  const { sha256, blob, index, indexSha256 } = archive;
  const chunkIndex = { sha256: indexSha256, lengthBytes: index.bytes.length };
  return { sha256, lengthBytes: blob.length, chunkIndex, signal };
}
