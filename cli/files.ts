// SPDX-License-Identifier: Apache-2.0
/** Reading and writing the files that a person names, with errors that name the file. */
import { randomUUID } from "node:crypto";
import { open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { MusterError, type ErrorCode } from "../domain/errors.ts";

/** Tokens and keys are lines, not books. */
export const MAX_SECRET_BYTES = 65_536;

const SENTENCES: { readonly [code: string]: readonly [ErrorCode, string] } = {
  ENOENT: ["not_found", "there is no such file"],
  EACCES: ["permission_denied", "this user may not read or write it"],
  EPERM: ["permission_denied", "this user may not read or write it"],
  EISDIR: ["invalid_argument", "it is a folder, not a file"],
  ENOTDIR: ["invalid_argument", "a part of the path is a file, not a folder"],
  EEXIST: ["already_exists", "it exists already"],
  ENOSPC: ["no_space", "the disk is full"],
  EROFS: ["permission_denied", "the file system is read-only"],
};

/** A file system error as a MusterError: `attempted` is "reading the token". */
export function fileError(attempted: string, path: string, error: unknown): MusterError {
  const errno = (error as NodeJS.ErrnoException).code ?? "unknown error";
  const [code, sentence] = SENTENCES[errno] ?? ["failed_precondition", errno];
  return new MusterError({
    code,
    message: `${attempted} failed: ${sentence}`,
    detail: { file: path },
    cause: error,
  });
}

/** A whole file of at most `maxBytes`. */
export async function readBounded(
  path: string,
  options: { attempted: string; maxBytes: number },
): Promise<Buffer> {
  try {
    const { size } = await stat(path);
    if (size > options.maxBytes) throw tooLarge(options.attempted, path, options.maxBytes);
    return await readFile(path);
  } catch (error) {
    if (error instanceof MusterError) throw error;
    throw fileError(options.attempted, path, error);
  }
}

export function tooLarge(attempted: string, path: string, maxBytes: number): MusterError {
  return new MusterError({
    code: "too_large",
    message: `${attempted} failed: it is larger than ${maxBytes} bytes`,
    detail: { file: path },
  });
}

/** Writes a new file that only its owner may read; never replaces one. */
export async function writeSecret(path: string, text: string, attempted: string): Promise<void> {
  try {
    const handle = await open(path, "wx", 0o600);
    try {
      await handle.writeFile(text);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw fileError(attempted, path, error);
  }
}

/** Writes beside the file and renames: whoever waits for it never sees half of it. */
export async function writeWhole(
  path: string,
  content: string | Uint8Array,
  attempted: string,
): Promise<void> {
  const partial = `${path}.${randomUUID()}.partial`;
  try {
    await writeFile(partial, content);
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw fileError(attempted, path, error);
  }
}
