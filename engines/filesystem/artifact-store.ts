// SPDX-License-Identifier: Apache-2.0
/**
 * Blobs as files: `blobs/ab/<sha256>`, where `ab` are the first two characters (256 folders keep
 * each short). A blob is written to `incoming/<random>`, synced, renamed to its place, and the
 * folder synced: it is there whole or not at all, after a power cut too. What a dead process left
 * in `incoming` is removed when the store is opened, so one process owns the folder: whoever opens
 * it holds the lock of the data folder (the center's store, the gateway's worker).
 *
 * Reading trusts what was verified when it was written and checks only that the file does not end
 * early. The same blob may be put twice at once: both write, the later rename replaces equal bytes.
 */
import { createHash } from "node:crypto";
import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { MusterError } from "../../domain/errors.ts";
import { MAX_BLOB_BYTES, SHA256_PATTERN } from "../../ports/artifact-store.ts";
import type { ArtifactStore, BlobFacts } from "../../ports/artifact-store.ts";
import { checkBytes } from "../../ports/limits.ts";
import type { Random } from "../../ports/random.ts";
import { abortable } from "../../runtime/abortable.ts";
import { errorNumber, fileFailure } from "../../runtime/file-failure.ts";
import { createIncomingFile, syncFolder } from "./incoming-file.ts";
import type { CreateIncomingFile, IncomingFile } from "./incoming-file.ts";

/** Few reads for a large blob, little memory for each of many readers. */
const READ_CHUNK_BYTES: number = 256 * 1024;
const NAME_BYTES = 16;

export interface FilesystemArtifactStoreOptions {
  /** The folder; made when missing. */
  readonly path: string;
  /** Names the incoming files. */
  readonly random: Random;
  /** Gives up opening. */
  readonly signal: AbortSignal;
  /** How incoming files are made; default: on the disk. A test makes one that fails. */
  readonly createFile?: CreateIncomingFile;
}

/** Makes the folders and removes what a dead process left half-written. */
export async function openFilesystemArtifactStore(
  options: FilesystemArtifactStoreOptions,
): Promise<FilesystemArtifactStore> {
  const { path, random, signal, createFile = createIncomingFile } = options;
  signal.throwIfAborted();
  const incoming = join(path, "incoming");
  try {
    await mkdir(join(path, "blobs"), { recursive: true, mode: 0o700 });
    await mkdir(incoming, { recursive: true, mode: 0o700 });
    for (const name of await readdir(incoming)) await rm(join(incoming, name), { force: true });
    await syncFolder(path);
  } catch (error) {
    throw fileFailure(error, "open the artifact store", path);
  }
  return new FilesystemArtifactStore({ path, random, createFile });
}

export class FilesystemArtifactStore implements ArtifactStore {
  readonly #path: string;
  readonly #random: Random;
  readonly #createFile: CreateIncomingFile;

  constructor(options: { path: string; random: Random; createFile: CreateIncomingFile }) {
    this.#path = options.path;
    this.#random = options.random;
    this.#createFile = options.createFile;
  }

  async stat(sha256: string, options: { signal: AbortSignal }): Promise<BlobFacts | null> {
    options.signal.throwIfAborted();
    const path = this.#blobPath(sha256);
    try {
      return { sha256, lengthBytes: (await stat(path)).size };
    } catch (error) {
      if (errorNumber(error) === "ENOENT") return null;
      throw fileFailure(error, "look up an artifact", path);
    }
  }

  async put(
    facts: BlobFacts,
    source: AsyncIterable<Uint8Array>,
    options: { signal: AbortSignal },
  ): Promise<void> {
    options.signal.throwIfAborted();
    const blobPath = this.#blobPath(facts.sha256);
    checkBytes(`artifact ${facts.sha256}`, facts.lengthBytes, MAX_BLOB_BYTES);
    const name = Buffer.from(this.#random.bytes(NAME_BYTES)).toString("hex");
    const incomingPath = join(this.#path, "incoming", name);
    let file: IncomingFile | null = null;
    try {
      file = await this.#createFile(incomingPath);
      await copyVerified({ facts, source, file, signal: options.signal });
      await file.sync();
      await file.close();
      file = null;
      await this.#publish(incomingPath, blobPath);
    } catch (error) {
      await file?.close().catch(() => {}); // What went wrong first is what counts.
      await rm(incomingPath, { force: true });
      throw fileFailure(error, `store artifact ${facts.sha256}`, blobPath);
    }
  }

  async *read(
    sha256: string,
    options: { start?: number; end?: number; signal: AbortSignal },
  ): AsyncIterable<Uint8Array> {
    const { signal } = options;
    signal.throwIfAborted();
    const path = this.#blobPath(sha256);
    const file = await open(path, "r").catch((error: unknown) => {
      throw errorNumber(error) === "ENOENT" ? noSuchBlob(sha256) : readFailure(error, path);
    });
    try {
      const { size } = await file.stat();
      const { start, end } = checkRange({ ...options, sha256, lengthBytes: size });
      for (let position = start; position < end;) {
        signal.throwIfAborted();
        const chunk = new Uint8Array(Math.min(READ_CHUNK_BYTES, end - position));
        const { bytesRead } = await file.read(chunk, 0, chunk.byteLength, position);
        if (bytesRead === 0) throw endsEarly(sha256, path, position);
        position += bytesRead;
        yield chunk.subarray(0, bytesRead);
      }
    } catch (error) {
      throw readFailure(error, path);
    } finally {
      await file.close();
    }
  }

  async remove(sha256: string, options: { signal: AbortSignal }): Promise<void> {
    options.signal.throwIfAborted();
    const path = this.#blobPath(sha256);
    try {
      await rm(path, { force: true });
    } catch (error) {
      throw fileFailure(error, "remove an artifact", path);
    }
  }

  /** Walks the folders: one look-up a blob. */
  async usage(options: {
    signal: AbortSignal;
  }): Promise<{ blobCount: number; totalBytes: number }> {
    const blobs = join(this.#path, "blobs");
    let blobCount = 0;
    let totalBytes = 0;
    for (const folder of await readdir(blobs)) {
      for (const name of await readdir(join(blobs, folder))) {
        options.signal.throwIfAborted();
        if (!SHA256_PATTERN.test(name)) continue;
        const facts = await this.stat(name, options);
        if (facts === null) continue; // Removed since the folder was listed.
        blobCount += 1;
        totalBytes += facts.lengthBytes;
      }
    }
    return { blobCount, totalBytes };
  }

  /** Moves a whole, synced file to its place and makes the move durable. */
  async #publish(incomingPath: string, blobPath: string): Promise<void> {
    const folder = dirname(blobPath);
    const made = await mkdir(folder, { recursive: true, mode: 0o700 });
    await rename(incomingPath, blobPath);
    await syncFolder(folder);
    if (made !== undefined) await syncFolder(dirname(folder));
  }

  #blobPath(sha256: string): string {
    if (!SHA256_PATTERN.test(sha256)) {
      throw new MusterError({
        code: "invalid_argument",
        message: `${JSON.stringify(sha256.slice(0, 80))} is not a SHA-256 in lower-case hex`,
        detail: { field: "sha256" },
      });
    }
    return join(this.#path, "blobs", sha256.slice(0, 2), sha256);
  }
}

/** Copies the source to the file; throws `untrusted` unless it is exactly what `facts` say. */
async function copyVerified(options: {
  facts: BlobFacts;
  source: AsyncIterable<Uint8Array>;
  file: IncomingFile;
  signal: AbortSignal;
}): Promise<void> {
  const { facts, source, file, signal } = options;
  const hash = createHash("sha256");
  let byteCount = 0;
  for await (const chunk of abortable(source, signal)) {
    byteCount += chunk.byteLength;
    if (byteCount > facts.lengthBytes) {
      throw untrusted(facts, `it is longer than the ${facts.lengthBytes} bytes announced`);
    }
    hash.update(chunk);
    await file.write(chunk);
  }
  if (byteCount < facts.lengthBytes) {
    throw untrusted(facts, `it ended after ${byteCount} of ${facts.lengthBytes} bytes`);
  }
  const digest = hash.digest("hex");
  if (digest !== facts.sha256) throw untrusted(facts, `its SHA-256 is ${digest}`);
}

function untrusted(facts: BlobFacts, wrong: string): MusterError {
  return new MusterError({
    code: "untrusted",
    message: `cannot store artifact ${facts.sha256}: ${wrong}; nothing was kept`,
    detail: { hint: "send the file that the release names" },
  });
}

function checkRange(options: {
  start?: number;
  end?: number;
  sha256: string;
  lengthBytes: number;
}): { start: number; end: number } {
  const { lengthBytes, sha256, start = 0, end = lengthBytes } = options;
  const whole = Number.isSafeInteger(start) && Number.isSafeInteger(end);
  if (whole && start >= 0 && start <= end && end <= lengthBytes) return { start, end };
  throw new MusterError({
    code: "invalid_argument",
    message: `artifact ${sha256} has ${lengthBytes} bytes: no range from ${start} to ${end}`,
    detail: { field: "range" },
  });
}

function noSuchBlob(sha256: string): MusterError {
  return new MusterError({ code: "not_found", message: `there is no artifact ${sha256}` });
}

function endsEarly(sha256: string, path: string, position: number): MusterError {
  return new MusterError({
    code: "corrupt",
    message: `artifact ${sha256} ends early, at byte ${position}`,
    detail: { file: path, hint: "remove the file and publish the release again" },
  });
}

function readFailure(error: unknown, path: string): unknown {
  return fileFailure(error, "read an artifact", path);
}
