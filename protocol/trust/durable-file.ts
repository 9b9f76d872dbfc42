// SPDX-License-Identifier: Apache-2.0
/**
 * Files that survive a power cut: a reader finds the old content or the new one, whole, and after
 * the promise resolved the new one. Written beside the target, flushed, renamed over it, and the
 * folder flushed. A leftover of a cut is named `.NAME.tmp` and is overwritten by the next write;
 * so one file has one writer at a time.
 */
import { constants } from "node:fs";
import { mkdir, open, readFile, rename, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { MusterError } from "../../domain/errors.ts";

/** Owner only: private keys and what identifies a device. */
export const PRIVATE_FILE_MODE = 0o600;

/** Replaces or creates the file; its folder must exist. `mode` default 0644. Throws `no_space`. */
export async function writeDurableFile(
  path: string,
  content: string | Uint8Array,
  options: { mode?: number } = {},
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.tmp`);
  const mode = options.mode ?? 0o644;
  try {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;
    const handle = await open(temporary, flags, mode);
    try {
      await handle.chmod(mode); // a leftover may have another mode, and so may the umask
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    throw fileError(`cannot write ${path}`, path, error);
  }
}

/** The file's bytes, or null when it does not exist. */
export async function readFileIfPresent(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw fileError(`cannot read ${path}`, path, error);
  }
}

/** Removes the file if it is there. */
export async function removeFile(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw fileError(`cannot remove ${path}`, path, error);
  }
}

/** Makes the folder and its parents, readable by the owner only unless it is there already. */
export async function makePrivateFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await syncFolder(dirname(path));
  } catch (error) {
    throw fileError(`cannot make the folder ${path}`, path, error);
  }
}

/**
 * The text of a private key file, or null when there is none. Throws `failed_precondition` when
 * anybody but its owner could have read it: such a key is no secret any more.
 */
export async function readPrivateFile(path: string): Promise<string | null> {
  const bytes = await readFileIfPresent(path);
  if (bytes === null) return null;
  const { mode } = await stat(path);
  if ((mode & 0o077) !== 0) {
    throw new MusterError({
      code: "failed_precondition",
      message: `the private key can be read by other users (mode ${(mode & 0o777).toString(8)})`,
      detail: { file: path, hint: `chmod 600 ${path}, or replace the key if it has leaked` },
    });
  }
  return bytes.toString("utf8");
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

function fileError(message: string, file: string, cause: unknown): MusterError {
  const code = codeOf(cause);
  if (code === "ENOSPC" || code === "EDQUOT") {
    const hint = "free some space; nothing was changed";
    return new MusterError({
      code: "no_space",
      message: `${message}: the disk is full`,
      detail: { file, hint },
      cause,
    });
  }
  if (code === "EACCES" || code === "EPERM" || code === "EROFS") {
    const hint = "check owner and mode of the file and its folder";
    return new MusterError({
      code: "permission_denied",
      message: `${message}: this user may not`,
      detail: { file, hint },
      cause,
    });
  }
  if (code === "ENOTDIR" || code === "EEXIST") {
    return new MusterError({
      code: "failed_precondition",
      message: `${message}: a part of the path is not a folder`,
      detail: { file, hint: "check the path" },
      cause,
    });
  }
  return new MusterError({
    code: "internal",
    message: code === "" ? message : `${message}: ${code}`,
    detail: { file },
    cause,
  });
}
