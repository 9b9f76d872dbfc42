// SPDX-License-Identifier: Apache-2.0
/**
 * The TUF metadata for devices, as the center has it. The gateway cannot forge it and does not
 * check it: devices do. Kept on disk as one file, so that devices can verify also while the center
 * is away and after a restart of the gateway.
 *
 * Limits: 1,024 files of 4 MiB, 32 MiB in all; more is refused and the old metadata stays.
 */
import { join } from "node:path";
import { z } from "zod";
import type { CancelTimer, Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { Disk } from "../disk.ts";

const NAME_PATTERN = /^(?:timestamp|\d{1,9}\.(?:root|snapshot|targets))\.json$/;
const FILE_COUNT_MAX = 1_024;
const FILE_BYTES_MAX: number = 4 * 2 ** 20;
const TOTAL_BYTES_MAX: number = 32 * 2 ** 20;
const RETRY_MS = 5_000;

const storedSchema = z.record(z.string(), z.string());

export interface TrustFileFacts {
  readonly name: string;
  readonly data: Uint8Array;
}

export interface TrustCacheOptions {
  /** The gateway's data directory. */
  readonly directory: string;
  readonly disk: Disk;
  readonly fetch: (signal: AbortSignal) => Promise<readonly TrustFileFacts[]>;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class TrustCache {
  readonly #options: TrustCacheOptions;
  readonly #file: string;
  readonly #closing = new AbortController();
  #files: ReadonlyMap<string, Uint8Array> = new Map();
  #isRefreshing = false;
  #isStale = false;
  #cancelRetry: CancelTimer | null = null;

  constructor(options: TrustCacheOptions) {
    this.#options = options;
    this.#file = join(options.directory, "trust.json");
  }

  /** Reads what is there from before. Call it once, before anything else. */
  async open(): Promise<void> {
    await this.#options.disk.makeFolder(this.#options.directory);
    try {
      const stored = storedSchema.parse(JSON.parse(await this.#options.disk.readText(this.#file)));
      const files = Object.entries(stored);
      this.#files = new Map(files.map(([name, data]) => [name, Buffer.from(data, "base64")]));
    } catch {
      // The first start, or a damaged file: the next refresh brings it.
    }
  }

  /** null when there is no such file. */
  get(name: string): Uint8Array | null {
    return this.#files.get(name) ?? null;
  }

  /** Fetches the metadata in the background; a call while one is under way leads to another. */
  refreshSoon(): void {
    this.#isStale = true;
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    if (!this.#isRefreshing) void this.#refresh();
  }

  close(): void {
    this.#cancelRetry?.();
    this.#closing.abort();
  }

  async #refresh(): Promise<void> {
    const { signal } = this.#closing;
    this.#isRefreshing = true;
    while (this.#isStale && !signal.aborted) {
      this.#isStale = false;
      try {
        await this.#replace(await this.#options.fetch(signal));
      } catch (error) {
        if (signal.aborted) break;
        this.#options.logger.warn("trust metadata could not be refreshed", { error });
        this.#cancelRetry = this.#options.clock.setTimer(RETRY_MS, () => this.refreshSoon());
      }
    }
    this.#isRefreshing = false;
  }

  async #replace(files: readonly TrustFileFacts[]): Promise<void> {
    const totalBytes = files.reduce((sum, { data }) => sum + data.length, 0);
    const isUsable =
      files.length <= FILE_COUNT_MAX &&
      totalBytes <= TOTAL_BYTES_MAX &&
      files.every(({ name, data }) => NAME_PATTERN.test(name) && data.length <= FILE_BYTES_MAX);
    if (!isUsable) {
      this.#options.logger.error("trust metadata of the center is not usable", {
        fileCount: files.length,
        totalBytes,
      });
      return;
    }
    this.#files = new Map(files.map(({ name, data }) => [name, data]));
    const stored = files.map(({ name, data }) => [name, Buffer.from(data).toString("base64")]);
    const text = JSON.stringify(Object.fromEntries(stored));
    await this.#options.disk.writeDurable(this.#file, text);
  }
}
