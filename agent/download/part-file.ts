// SPDX-License-Identifier: Apache-2.0
/**
 * A download in progress: `<sha256>.part`, and the running digest of what it holds. Opening one
 * reads what an earlier try left, so that the digest at the end covers every byte that is
 * installed.
 */
import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";
import type { Files, WritableFile } from "../files/files.ts";

export class PartFile {
  readonly path: string;
  readonly #files: Files;
  #hash: Hash;
  #sizeBytes: number;
  #file: WritableFile;

  private constructor(options: {
    files: Files;
    path: string;
    hash: Hash;
    sizeBytes: number;
    file: WritableFile;
  }) {
    this.path = options.path;
    this.#files = options.files;
    this.#hash = options.hash;
    this.#sizeBytes = options.sizeBytes;
    this.#file = options.file;
  }

  static async open(options: {
    files: Files;
    path: string;
    signal: AbortSignal;
  }): Promise<PartFile> {
    const { files, path, signal } = options;
    const hash = createHash("sha256");
    let sizeBytes = 0;
    if ((await files.facts(path)) !== null) {
      for await (const chunk of files.readChunks(path, 0)) {
        signal.throwIfAborted();
        hash.update(chunk);
        sizeBytes += chunk.byteLength;
      }
    }
    const file = await files.appendFile(path);
    return new PartFile({ files, path, hash, sizeBytes, file });
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  async append(chunk: Uint8Array): Promise<void> {
    await this.#file.write(chunk);
    this.#hash.update(chunk);
    this.#sizeBytes += chunk.byteLength;
  }

  /** Begins again from nothing. */
  async restart(): Promise<void> {
    await this.#file.close();
    await this.#files.remove(this.path);
    this.#file = await this.#files.appendFile(this.path);
    this.#hash = createHash("sha256");
    this.#sizeBytes = 0;
  }

  digest(): string {
    return this.#hash.copy().digest("hex");
  }

  /** Durable under its final name. */
  async publish(finalPath: string): Promise<void> {
    await this.#file.synchronise();
    await this.#files.rename(this.path, finalPath);
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
