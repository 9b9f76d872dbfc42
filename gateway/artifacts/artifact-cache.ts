// SPDX-License-Identifier: Apache-2.0
/**
 * Blobs that devices of this gateway install, on its disk: `cache/sha256/{ab}/{hex}`. A blob is
 * fetched from the center once, however many devices ask, verified, and only then visible under its
 * name; so what lies there is whole and right, also after a crash.
 *
 *     absent → (fetching, in cache/incoming) → verified → renamed → present → evicted
 *
 * Limit: `maxBytes` (the least recently used go first; a blob larger than that is refused). Devices
 * that read an evicted blob keep their open file.
 */
import { randomUUID } from "node:crypto";
import { mkdir, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { isMusterError, type MusterError } from "../../domain/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import { faultPoint } from "../../runtime/faults.ts";
import type { ArtifactFetchOutcome, GatewayMetrics } from "../metrics.ts";
import { diskError } from "./disk-error.ts";
import { downloadBlob, type BlobChunks } from "./blob-download.ts";
import { untilAborted } from "./until-aborted.ts";

export interface CachedBlob {
  readonly file: string;
  readonly lengthBytes: number;
}

export interface ArtifactCacheOptions {
  /** The gateway's data directory. */
  readonly directory: string;
  readonly maxBytes: number;
  /** Opens the stream of a blob's bytes from an offset. */
  readonly fetch: (sha256: string, startOffset: number, signal: AbortSignal) => BlobChunks;
  /** Ends the connection behind `fetch`. */
  readonly close: () => void;
  readonly clock: Clock;
  readonly metrics: GatewayMetrics;
  readonly logger: Logger;
}

interface Entry {
  readonly lengthBytes: number;
  usedAtMs: number;
}

export class ArtifactCache {
  readonly #options: ArtifactCacheOptions;
  readonly #root: string;
  readonly #incoming: string;
  readonly #entries = new Map<string, Entry>();
  readonly #fetching = new Map<string, Promise<CachedBlob>>();
  readonly #closing = new AbortController();
  #totalBytes = 0;

  constructor(options: ArtifactCacheOptions) {
    this.#options = options;
    this.#root = join(options.directory, "cache", "sha256");
    this.#incoming = join(options.directory, "cache", "incoming");
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
      for (const sha256 of await readdir(join(this.#root, prefix))) {
        const facts = await stat(this.#file(sha256));
        this.#entries.set(sha256, { lengthBytes: facts.size, usedAtMs: facts.mtimeMs });
        this.#totalBytes += facts.size;
      }
    }
  }

  /**
   * The blob, fetched if need be. Throws `not_found`, `untrusted` (the center's bytes have another
   * digest), `no_space`, `too_large`, `unavailable`. Ends early when `signal` aborts; the fetch
   * goes on for whoever asks next.
   */
  async get(sha256: string, options: { signal: AbortSignal }): Promise<CachedBlob> {
    const entry = this.#entries.get(sha256);
    if (entry !== undefined) {
      entry.usedAtMs = this.#options.clock.wallMs();
      return { file: this.#file(sha256), lengthBytes: entry.lengthBytes };
    }
    return await untilAborted(this.#fetch(sha256), options.signal);
  }

  /** Ends the fetches that are under way. */
  close(): void {
    this.#closing.abort();
    this.#options.close();
  }

  #fetch(sha256: string): Promise<CachedBlob> {
    const running = this.#fetching.get(sha256);
    if (running !== undefined) return running;
    const fetching = this.#store(sha256).finally(() => this.#fetching.delete(sha256));
    this.#fetching.set(sha256, fetching);
    fetching.catch(() => {}); // Whoever waits has it too; nobody may be waiting any more.
    return fetching;
  }

  async #store(sha256: string): Promise<CachedBlob> {
    const { maxBytes, metrics, logger } = this.#options;
    const incoming = join(this.#incoming, randomUUID());
    try {
      const { signal } = this.#closing;
      const lengthBytes = await downloadBlob({
        file: incoming,
        sha256,
        maxBytes,
        open: (startOffset) => this.#options.fetch(sha256, startOffset, signal),
      });
      await this.#evict(maxBytes - lengthBytes);
      const file = this.#file(sha256);
      await mkdir(join(file, ".."), { recursive: true, mode: 0o700 });
      await rename(incoming, file);
      const usedAtMs = this.#options.clock.wallMs();
      await utimes(file, usedAtMs / 1_000, usedAtMs / 1_000);
      this.#entries.set(sha256, { lengthBytes, usedAtMs });
      this.#totalBytes += lengthBytes;
      faultPoint("gateway.artifact.stored");
      metrics.artifactFetched("stored");
      logger.info("artifact cached", { sha256, lengthBytes });
      return { file, lengthBytes };
    } catch (cause) {
      await rm(incoming, { force: true });
      const error = isMusterError(cause)
        ? cause
        : diskError(cause, "cannot keep an artifact", incoming);
      metrics.artifactFetched(outcomeOf(error));
      if (error.code !== "not_found") logger.warn("artifact was not cached", { sha256, error });
      throw error;
    }
  }

  /** Removes the least recently used until at most `bytes` are left. */
  async #evict(bytes: number): Promise<void> {
    if (this.#totalBytes <= bytes) return;
    const oldestFirst = [...this.#entries].sort(([, a], [, b]) => a.usedAtMs - b.usedAtMs);
    for (const [sha256, entry] of oldestFirst) {
      if (this.#totalBytes <= bytes) return;
      this.#entries.delete(sha256);
      this.#totalBytes -= entry.lengthBytes;
      await rm(this.#file(sha256), { force: true });
    }
  }

  #file(sha256: string): string {
    return join(this.#root, sha256.slice(0, 2), sha256);
  }
}

function outcomeOf(error: MusterError): ArtifactFetchOutcome {
  if (error.code === "not_found") return "missing";
  if (error.code === "no_space" || error.code === "too_large") return "no_space";
  return error.code === "untrusted" ? "untrusted" : "unavailable";
}
