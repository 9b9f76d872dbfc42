// SPDX-License-Identifier: Apache-2.0
/**
 * Chunks that devices of this gateway lack, on its disk, compressed as they travel:
 * `cache/chunks.castr/{abcd}/{id}.cacnk`, a chunk store as casync reads it.
 *
 *     absent → fetched from the center, once → checked by its id → kept → evicted
 *              └ checked by its id again whenever it is read: damaged → absent
 *
 * Nothing is made durable: a chunk that a crash tore is found by its id, and fetched again. Where
 * the disk takes nothing more, chunks are served all the same.
 *
 * Limits: `maxBytes` and 262,144 chunks, the least recently used go first (after a restart: in the
 * order of their names); 64 fetches at once, the others wait for their turn.
 */
import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import { isMusterError, MusterError } from "../../domain/errors.ts";
import type { Logger } from "../../ports/logger.ts";
import { chunkPath, openChunk } from "../../protocol/chunks/chunk.ts";
import { faultPoint } from "../../runtime/faults.ts";
import type { GatewayMetrics } from "../metrics.ts";
import type { ChunkIndexes } from "./chunk-indexes.ts";
import { untilAborted } from "./until-aborted.ts";

const CHUNK_COUNT_MAX = 262_144;
/** Each holds a chunk in memory; the center answers them one after the other anyway. */
const FETCHES_AT_ONCE = 64;

/** A chunk as a device names it: by the blob, the blob's index, and its own id. */
export interface ChunkAddress {
  readonly blob: string;
  readonly index: string;
  readonly id: string;
}

export interface ChunkRange {
  readonly sha256: string;
  readonly startOffset: number;
  readonly lengthBytes: number;
}

export interface ChunkCacheOptions {
  /** The gateway's data directory. */
  readonly directory: string;
  readonly maxBytes: number;
  readonly indexes: ChunkIndexes;
  /** The range of the blob, compressed, from the center. */
  readonly fetch: (range: ChunkRange, signal: AbortSignal) => Promise<Uint8Array>;
  readonly metrics: GatewayMetrics;
  readonly logger: Logger;
}

export class ChunkCache {
  readonly #options: ChunkCacheOptions;
  readonly #root: string;
  readonly #incoming: string;
  /** Bytes by id, the least recently used first. */
  readonly #kept = new Map<string, number>();
  readonly #fetching = new Map<string, Promise<Uint8Array>>();
  readonly #closing = new AbortController();
  readonly #waiting: (() => void)[] = [];
  #runningCount = 0;
  #totalBytes = 0;

  constructor(options: ChunkCacheOptions) {
    this.#options = options;
    this.#root = join(options.directory, "cache", "chunks.castr");
    this.#incoming = join(options.directory, "cache", "incoming-chunks");
  }

  get totalBytes(): number {
    return this.#totalBytes;
  }

  /** Finds what is there from before. Call it once, before anything else. */
  async open(): Promise<void> {
    await rm(this.#incoming, { recursive: true, force: true });
    await mkdir(this.#incoming, { recursive: true, mode: 0o700 });
    await mkdir(this.#root, { recursive: true, mode: 0o700 });
    for (const prefix of await readdir(this.#root)) {
      for (const name of await readdir(join(this.#root, prefix))) {
        const { size } = await stat(join(this.#root, prefix, name));
        this.#remember(name.replace(/\.cacnk$/, ""), size);
      }
    }
    await this.#evict(0);
  }

  /**
   * The chunk, compressed and checked. Throws `not_found` (no such chunk, index or blob, or a
   * center that cuts none), `untrusted` (the center's bytes are another chunk), `unavailable`, and
   * `deadline_exceeded` when `signal` aborts; the fetch goes on for whoever asks next.
   */
  async get(address: ChunkAddress, options: { signal: AbortSignal }): Promise<Uint8Array> {
    const { metrics, indexes } = this.#options;
    const index = await indexes.get(address.index, options);
    const position = index.find(address.id);
    if (position === -1) throw notFound("the index names no such chunk");
    const lengthBytes = index.lengthBytes(position);
    const kept = await this.#read(address.id, lengthBytes);
    if (kept !== null) {
      metrics.chunkServed("kept");
      return kept;
    }
    const range = { sha256: address.blob, startOffset: index.start(position), lengthBytes };
    const data = await untilAborted(this.#fetch(address.id, range), options.signal);
    metrics.chunkServed("fetched");
    return data;
  }

  /** Ends the fetches that are under way. */
  close(): void {
    this.#closing.abort();
  }

  /** Null when it is not here, or is not any more what it was. */
  async #read(id: string, lengthBytes: number): Promise<Uint8Array | null> {
    const size = this.#kept.get(id);
    if (size === undefined) return null;
    // Behind all others: the map's order is the order of use.
    this.#kept.delete(id);
    this.#kept.set(id, size);
    const data = await readFile(this.#file(id)).catch(() => null);
    if (data !== null && openChunk(data, id, lengthBytes) !== null) return data;
    this.#options.metrics.chunkServed("damaged");
    this.#options.logger.warn("a cached chunk is damaged; it is fetched again", { id });
    await this.#forget(id);
    return null;
  }

  #fetch(id: string, range: ChunkRange): Promise<Uint8Array> {
    const running = this.#fetching.get(id);
    if (running !== undefined) return running;
    const fetching = this.#inTurn(() => this.#obtain(id, range)).finally(() =>
      this.#fetching.delete(id),
    );
    this.#fetching.set(id, fetching);
    fetching.catch(() => {}); // Whoever waits has it too; nobody may be waiting any more.
    return fetching;
  }

  async #inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    if (this.#runningCount >= FETCHES_AT_ONCE) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else this.#runningCount += 1;
    try {
      return await work();
    } finally {
      // The turn goes over to who waits longest.
      const next = this.#waiting.shift();
      if (next === undefined) this.#runningCount -= 1;
      else next();
    }
  }

  async #obtain(id: string, range: ChunkRange): Promise<Uint8Array> {
    const data = await this.#options.fetch(range, this.#closing.signal).catch((cause) => {
      throw asFailure(cause);
    });
    if (openChunk(data, id, range.lengthBytes) === null) {
      throw new MusterError({
        code: "untrusted",
        message: `the center's bytes are not the chunk ${id}`,
        detail: { hint: "the index may be that of another blob, or the blob there is damaged" },
      });
    }
    await this.#keep(id, data);
    return data;
  }

  async #keep(id: string, data: Uint8Array): Promise<void> {
    const incoming = join(this.#incoming, randomUUID());
    const file = this.#file(id);
    try {
      await this.#evict(data.length);
      await writeFile(incoming, data, { mode: 0o600 });
      await mkdir(dirname(file), { recursive: true, mode: 0o700 });
      await rename(incoming, file);
      this.#remember(id, data.length);
      faultPoint("gateway.chunk.stored");
    } catch (error) {
      await rm(incoming, { force: true }).catch(() => {});
      this.#options.logger.warn("a chunk was not kept", { id, error });
    }
  }

  #remember(id: string, bytes: number): void {
    this.#totalBytes += bytes - (this.#kept.get(id) ?? 0);
    this.#kept.set(id, bytes);
  }

  async #forget(id: string): Promise<void> {
    this.#totalBytes -= this.#kept.get(id) ?? 0;
    this.#kept.delete(id);
    await rm(this.#file(id), { force: true }).catch(() => {});
  }

  /** Removes the least recently used until there is room for `bytes` more. */
  async #evict(bytes: number): Promise<void> {
    const { maxBytes } = this.#options;
    for (const id of this.#kept.keys()) {
      if (this.#totalBytes + bytes <= maxBytes && this.#kept.size < CHUNK_COUNT_MAX) return;
      await this.#forget(id);
    }
  }

  #file(id: string): string {
    return join(this.#root, chunkPath(id));
  }
}

function asFailure(cause: unknown): MusterError {
  if (isMusterError(cause)) return cause;
  const code = cause instanceof ConnectError ? cause.code : Code.Unknown;
  if (code === Code.NotFound) return notFound("the center does not have the artifact");
  if (code === Code.InvalidArgument) return notFound("the artifact is not the one of this index");
  if (code === Code.Unimplemented) return notFound("the center is older and cuts no chunks");
  const message = "the center does not deliver the chunk";
  return new MusterError({ code: "unavailable", message, cause });
}

function notFound(problem: string): MusterError {
  return new MusterError({ code: "not_found", message: `there is no such chunk: ${problem}` });
}
