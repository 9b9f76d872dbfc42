// SPDX-License-Identifier: Apache-2.0
/**
 * Unpacks a tar or tar.gz stream below a folder, as it comes: memory does not grow with the
 * archive. What an entry may be is decided by archive-entry.ts, how much there may be by
 * unpack-limits.ts.
 */
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { extract } from "tar-stream";
import { isMusterError } from "../../domain/errors.ts";
import { faultPoint } from "../../runtime/faults.ts";
import type { Files } from "../files/files.ts";
import { judgeEntry } from "./archive-entry.ts";
import type { ArchiveHeader, EntryVerdict } from "./archive-entry.ts";
import { TreeWriter } from "./tree-writer.ts";
import { contentBytesLimit, MAX_ARCHIVE_ENTRIES, streamBytesLimit } from "./unpack-limits.ts";

export type UnpackResult =
  | { readonly kind: "done"; readonly entryCount: number }
  | {
      readonly kind: "refused";
      readonly reason: "unsafe-archive" | "archive-too-large";
      readonly why: string;
    };

export interface UnpackOptions {
  readonly files: Files;
  /** The archive's file. */
  readonly archive: string;
  readonly lengthBytes: number;
  /** What the release says it unpacks to. */
  readonly unpackedBytesMax: number;
  /** The slot's folder; exists. */
  readonly root: string;
  /** Below root. */
  readonly to: string;
  readonly signal: AbortSignal;
}

/** What is used of tar-stream's entries. */
interface Entry extends AsyncIterable<Uint8Array> {
  readonly header: ArchiveHeader;
  resume(): unknown;
}

/** Ends the streams when an entry is refused; never leaves this file. */
class Refused extends Error {
  readonly reason: "unsafe-archive" | "archive-too-large";
  constructor(reason: "unsafe-archive" | "archive-too-large", why: string) {
    super(why);
    this.reason = reason;
  }
}

/** Throws what the Files port throws; a refused or unreadable archive is a result. */
export async function unpack(options: UnpackOptions): Promise<UnpackResult> {
  const unpacking = new Unpacking(options);
  try {
    await unpacking.run();
    return { kind: "done", entryCount: unpacking.entryCount };
  } catch (error) {
    options.signal.throwIfAborted();
    // The first cause wins: ending one stream makes the others fail too.
    const cause = unpacking.failure ?? error;
    if (cause instanceof Refused) {
      return { kind: "refused", reason: cause.reason, why: cause.message };
    }
    if (isMusterError(cause)) throw cause;
    const text = cause instanceof Error ? cause.message : "unexpected failure";
    const why = `the archive cannot be read: ${text.slice(0, 200)}`;
    return { kind: "refused", reason: "unsafe-archive", why };
  }
}

class Unpacking {
  entryCount = 0;
  failure: unknown = undefined;
  readonly #options: UnpackOptions;
  readonly #writer: TreeWriter;
  readonly #contentBytesLimit: number;
  #contentBytes = 0;
  #streamBytes = 0;

  constructor(options: UnpackOptions) {
    this.#options = options;
    this.#writer = new TreeWriter(options);
    this.#contentBytesLimit = contentBytesLimit(options.lengthBytes, options.unpackedBytesMax);
  }

  async run(): Promise<void> {
    const { files, archive, signal } = this.#options;
    const source = Readable.from(files.readChunks(archive, 0), { objectMode: false });
    const extraction = extract();
    const guard = new Transform({
      transform: (chunk: Uint8Array, _encoding, done) => done(this.#countStream(chunk), chunk),
    });
    const compressed = await isGzip(files, archive);
    const feeding = compressed
      ? pipeline(source, createGunzip(), guard, extraction, { signal })
      : pipeline(source, guard, extraction, { signal });
    // Its failure is seen below; without a handler it would end the process first.
    feeding.catch(() => {});
    try {
      for await (const entry of extraction as AsyncIterable<Entry>) await this.#place(entry);
    } catch (error) {
      this.failure ??= error;
      extraction.destroy();
    }
    await feeding;
    if (this.failure !== undefined) throw this.failure;
  }

  #countStream(chunk: Uint8Array): Refused | null {
    this.#streamBytes += chunk.byteLength;
    const limit = streamBytesLimit(this.entryCount, this.#contentBytes);
    if (this.#streamBytes <= limit) return null;
    const refused = new Refused("archive-too-large", "the archive holds more headers than content");
    this.failure ??= refused;
    return refused;
  }

  async #place(entry: Entry): Promise<void> {
    this.#options.signal.throwIfAborted();
    faultPoint("agent.archive.middle");
    this.entryCount += 1;
    if (this.entryCount > MAX_ARCHIVE_ENTRIES) {
      const why = `the archive holds more than ${MAX_ARCHIVE_ENTRIES} entries`;
      throw new Refused("archive-too-large", why);
    }
    const verdict = judgeEntry(entry.header, this.#options.to);
    const refusal = await this.#write(verdict, entry);
    if (refusal !== null) throw new Refused("unsafe-archive", refusal);
  }

  /** Null when done, else a sentence. */
  async #write(verdict: EntryVerdict, entry: Entry): Promise<string | null> {
    if (verdict.kind === "file") return this.#writeFile(verdict.path, verdict.mode, entry);
    entry.resume();
    switch (verdict.kind) {
      case "unsafe":
        return verdict.why;
      case "nothing":
        return null;
      case "folder":
        return this.#writer.folder(verdict.path, verdict.mode);
      case "link":
        return this.#writer.link(verdict.path, verdict.target);
      case "hard-link":
        return this.#writer.hardLink(verdict.path, verdict.existing);
    }
  }

  async #writeFile(path: string, mode: number, entry: Entry): Promise<string | null> {
    const file = await this.#writer.file(path, mode);
    if (typeof file === "string") return file;
    try {
      for await (const chunk of entry) {
        this.#contentBytes += chunk.byteLength;
        if (this.#contentBytes > this.#contentBytesLimit) {
          const why = `the archive unpacks to more than ${this.#contentBytesLimit} bytes`;
          throw new Refused("archive-too-large", why);
        }
        await file.write(chunk);
      }
    } finally {
      await file.close();
    }
    return null;
  }
}

/** RFC 1952 §2.3.1. */
async function isGzip(files: Files, archive: string): Promise<boolean> {
  for await (const chunk of files.readChunks(archive, 0)) {
    return chunk[0] === 0x1f && chunk[1] === 0x8b;
  }
  return false;
}
