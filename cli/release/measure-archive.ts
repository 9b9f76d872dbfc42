// SPDX-License-Identifier: Apache-2.0
/**
 * Lists a tar or tar.gz as a device will unpack it: how many bytes come out, and that nothing
 * leaves the folder it is unpacked into. The device checks again; refusing here tells the author
 * at once.
 *
 * What is refused: absolute paths, `..` in a path, entries below a link of the same archive, links
 * that lead out, setuid files, and anything but files, folders and links. In a link's target `..`
 * may only stand in front: `a/../b` means another place when `a` is a link.
 */
import { createReadStream } from "node:fs";
import { open, stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { extract, type Header } from "tar-stream";
import { MusterError } from "../../domain/errors.ts";

/** Larger archives are split, or are a disk image and a `file`. */
export const MAX_UNPACKED_BYTES: number = 64 * 2 ** 30;
/** As on the device (agent/steps/unpack-limits.ts). */
export const MAX_ARCHIVE_ENTRIES = 100_000;
/** Content over archive, above which a device takes it for a decompression bomb. */
const MAX_RATIO = 200;
const RATIO_FREE_BYTES = 64 * 2 ** 20;
const SETUID_OR_SETGID = 0o6000;

export interface ArchiveFacts {
  readonly unpackedBytes: number;
  readonly entryCount: number;
}

/** Throws `invalid_argument` or `too_large` naming the entry; `file` is the archive's path. */
export async function measureArchive(file: string, signal: AbortSignal): Promise<ArchiveFacts> {
  const inspector = new ArchiveInspector(file);
  const reader = extract();
  reader.on("entry", (header, stream, next) => {
    // What ends the archive ends its entry too; the pipeline below reports it, once.
    stream.on("error", () => {});
    try {
      inspector.add(header);
    } catch (error) {
      reader.destroy(error as Error);
      return;
    }
    stream.on("end", next);
    stream.resume();
  });
  const source = createReadStream(file);
  try {
    if (await isGzip(file)) await pipeline(source, createGunzip(), reader, { signal });
    else await pipeline(source, reader, { signal });
  } catch (error) {
    if (error instanceof MusterError) throw error;
    if (signal.aborted) throw signal.reason;
    throw notAnArchive(file, error);
  }
  if (inspector.entryCount === 0) throw notAnArchive(file, undefined);
  await checkRatio(file, inspector.unpackedBytes);
  return { unpackedBytes: inspector.unpackedBytes, entryCount: inspector.entryCount };
}

class ArchiveInspector {
  unpackedBytes = 0;
  entryCount = 0;
  readonly #file: string;
  readonly #links = new Set<string>();
  readonly #folders = new Set<string>();

  constructor(file: string) {
    this.#file = file;
  }

  add(header: Header): void {
    this.entryCount += 1;
    this.unpackedBytes += header.size ?? 0;
    if (this.unpackedBytes > MAX_UNPACKED_BYTES || this.entryCount > MAX_ARCHIVE_ENTRIES) {
      throw new MusterError({
        code: "too_large",
        message:
          `the archive unpacks to more than ${MAX_UNPACKED_BYTES} bytes ` +
          `or ${MAX_ARCHIVE_ENTRIES} entries`,
        detail: { file: this.#file },
      });
    }
    const parts = this.#checkedParts(header.name);
    switch (header.type ?? "file") {
      case "file":
      case "contiguous-file":
        if (((header.mode ?? 0) & SETUID_OR_SETGID) === 0) return;
        throw this.#refusal(header.name, "has a setuid or setgid bit");
      case "directory":
        this.#folders.add(parts.join("/"));
        return;
      case "symlink":
        this.#checkSymbolicLink(header, parts);
        return;
      case "link":
        this.#checkedParts(header.linkname ?? "");
        return;
      default:
        throw this.#refusal(header.name, `is a ${header.type}, not a file, folder or link`);
    }
  }

  /** The path's names; its parents are noted as folders. */
  #checkedParts(name: string): string[] {
    if (name.startsWith("/")) throw this.#refusal(name, "has an absolute path");
    const parts = name.split("/").filter((part) => part !== "" && part !== ".");
    if (parts.includes("..")) throw this.#refusal(name, 'leaves its folder by ".."');
    if (name.includes("\0")) throw this.#refusal(name, "has a zero character in its path");
    for (let length = 1; length < parts.length; length += 1) {
      const parent = parts.slice(0, length).join("/");
      if (this.#links.has(parent)) throw this.#refusal(name, `lies below the link ${parent}`);
      this.#folders.add(parent);
    }
    return parts;
  }

  #checkSymbolicLink(header: Header, parts: readonly string[]): void {
    const target = header.linkname ?? "";
    const path = parts.join("/");
    if (target.startsWith("/")) throw this.#refusal(header.name, "links to an absolute path");
    if (this.#folders.has(path)) throw this.#refusal(header.name, "replaces a folder by a link");
    const names = target.split("/").filter((part) => part !== "" && part !== ".");
    const firstName = names.findIndex((part) => part !== "..");
    const upCount = firstName === -1 ? names.length : firstName;
    if (upCount > parts.length - 1 || names.slice(upCount).includes("..")) {
      throw this.#refusal(header.name, `links out of its folder (${target})`);
    }
    this.#links.add(path);
  }

  #refusal(name: string, problem: string): MusterError {
    return new MusterError({
      code: "invalid_argument",
      message: `the archive's entry ${JSON.stringify(name)} ${problem}`,
      detail: { file: this.#file, hint: "pack the archive again without it" },
    });
  }
}

async function checkRatio(file: string, unpackedBytes: number): Promise<void> {
  const { size } = await stat(file);
  if (unpackedBytes <= Math.max(RATIO_FREE_BYTES, size * MAX_RATIO)) return;
  throw new MusterError({
    code: "too_large",
    message:
      `the archive of ${size} bytes unpacks to ${unpackedBytes}, more than ${MAX_RATIO} times; ` +
      "devices refuse that as a decompression bomb",
    detail: { file, hint: "pack it without compression" },
  });
}

async function isGzip(file: string): Promise<boolean> {
  const handle = await open(file, "r");
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b;
  } finally {
    await handle.close();
  }
}

function notAnArchive(file: string, cause: unknown): MusterError {
  return new MusterError({
    code: "invalid_argument",
    message: "the file is not a whole tar or tar.gz archive",
    detail: { file, hint: "pack it with `tar -czf`, or place it with a `file` step" },
    cause,
  });
}
