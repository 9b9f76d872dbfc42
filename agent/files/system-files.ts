// SPDX-License-Identifier: Apache-2.0
/**
 * The Files port over the operating system. What the port calls durable is durable here as far as
 * the kernel and the disk keep their word: content is fsynced before the rename that publishes it,
 * and the folder after it.
 */
import { constants } from "node:fs";
import * as fs from "node:fs/promises";
import { dirname, join } from "node:path";
import { MusterError, toMusterError } from "../../domain/errors.ts";
import { faultPoint, isPlanted } from "../../runtime/faults.ts";
import { errorNumber, fileFailure } from "../../runtime/file-failure.ts";
import type { EntryFacts, EntryKind, Files, WritableFile } from "./files.ts";

/** Large enough that a system call costs little beside the hashing, small enough for a device. */
const CHUNK_BYTES = 65_536;

const CREATE_FLAGS =
  constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const APPEND_FLAGS =
  constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW;

export const systemFiles: Files = {
  readText,
  readChunks,
  writeAtomically,
  makeFolder,
  createFolder: async (path) => {
    await attempt("create a folder", path, () => fs.mkdir(path, { mode: 0o755 }));
  },
  remove: (path) => attempt("remove", path, () => removeTree(path)),
  rename: async (from, to) => {
    await attempt("move", from, () => fs.rename(from, to));
    await synchronise(dirname(to));
  },
  list: (path) =>
    absentIsNull("list", path, async () => {
      const names = await fs.readdir(path);
      return names.toSorted(byBytes);
    }),
  facts: (path) =>
    absentIsNull("look at", path, async (): Promise<EntryFacts> => {
      const stats = await fs.lstat(path);
      return { kind: kindOf(stats), mode: stats.mode & 0o7777, sizeBytes: stats.size };
    }),
  createFile: async (path, mode) => {
    const handle = await attempt("create", path, () => fs.open(path, CREATE_FLAGS, mode));
    return writable(path, handle);
  },
  appendFile: async (path) => {
    const handle = await attempt("open", path, () => fs.open(path, APPEND_FLAGS, 0o600));
    return writable(path, handle);
  },
  setMode: (path, mode) => attempt("set the mode", path, () => fs.chmod(path, mode)),
  createLink: (path, target) => attempt("create a link", path, () => fs.symlink(target, path)),
  createHardLink: (path, existing) =>
    attempt("create a hard link", path, () => fs.link(existing, path)),
  readLink: (path) => absentIsNull("read a link", path, () => fs.readlink(path)),
  switchLink,
  truncate: (path, lengthBytes) => attempt("cut off", path, () => fs.truncate(path, lengthBytes)),
  synchronise,
  freeBytes: (path) =>
    attempt("ask for free space", path, async () => {
      const facts = await fs.statfs(path);
      return facts.bavail * facts.bsize;
    }),
};

async function readText(path: string, bytesMax: number): Promise<string | null> {
  return absentIsNull("read", path, async () => {
    const handle = await fs.open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      const { size } = await handle.stat();
      if (size > bytesMax) {
        throw new MusterError({
          code: "too_large",
          message: `cannot read: ${size} bytes are more than the limit of ${bytesMax}`,
          detail: { file: path },
        });
      }
      return await handle.readFile("utf8");
    } finally {
      await handle.close();
    }
  });
}

async function* readChunks(path: string, fromByte: number): AsyncIterable<Uint8Array> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW;
  const handle = await attempt("open", path, () => fs.open(path, flags));
  try {
    let position = fromByte;
    for (;;) {
      const chunk = new Uint8Array(CHUNK_BYTES);
      const { bytesRead } = await attempt("read", path, () =>
        handle.read(chunk, 0, CHUNK_BYTES, position),
      );
      if (bytesRead === 0) return;
      position += bytesRead;
      yield bytesRead === CHUNK_BYTES ? chunk : chunk.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

async function writeAtomically(options: {
  path: string;
  text: string;
  point: string;
}): Promise<void> {
  const { path, text, point } = options;
  const temporary = `${path}.next`;
  faultPoint(`${point}.before`);
  await attempt("write", path, async () => {
    const handle = await fs.open(temporary, "w", 0o600);
    try {
      await handle.writeFile(text, "utf8");
      await handle.sync();
    } finally {
      await handle.close();
    }
    faultPoint(`${point}.middle`);
    await fs.rename(temporary, path);
  });
  await synchronise(dirname(path));
  faultPoint(`${point}.after`);
}

async function removeTree(path: string): Promise<void> {
  const removal = { recursive: true, force: true, maxRetries: 3 };
  try {
    await fs.rm(path, removal);
  } catch (error) {
    if (!["EACCES", "EPERM"].includes(errorNumber(error) ?? "")) throw error;
    await makeFoldersWritable(path);
    await fs.rm(path, removal);
  }
}

/** A release's own command may have left read-only folders, which only root can empty. */
async function makeFoldersWritable(path: string): Promise<void> {
  if (!(await fs.lstat(path)).isDirectory()) return;
  await fs.chmod(path, 0o700);
  for (const entry of await fs.readdir(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await makeFoldersWritable(join(path, entry.name));
  }
}

async function makeFolder(path: string): Promise<void> {
  const first = await attempt("create a folder", path, () =>
    fs.mkdir(path, { recursive: true, mode: 0o755 }),
  );
  if (first === undefined) return; // It was there.
  // Every new name must survive a power cut: sync from the new leaf up to the first old folder.
  const stop = dirname(first);
  for (let folder = path; folder !== stop; folder = dirname(folder)) await synchronise(folder);
  await synchronise(stop);
}

async function switchLink(options: {
  path: string;
  target: string | null;
  point: string;
}): Promise<void> {
  const { path, target, point } = options;
  if (target === null) {
    faultPoint(`${point}.middle`);
    await attempt("remove a link", path, () => fs.rm(path, { force: true }));
  } else {
    const temporary = `${path}.next`;
    await attempt("create a link", path, async () => {
      await fs.rm(temporary, { force: true });
      // Planted bug: between the two there is no link, and nothing runs.
      if (isPlanted("agent.switch.torn")) await fs.rm(path, { force: true });
      await fs.symlink(target, temporary);
      faultPoint(`${point}.middle`);
      await fs.rename(temporary, path);
    });
  }
  await synchronise(dirname(path));
}

async function synchronise(path: string): Promise<void> {
  await attempt("make durable", path, async () => {
    const handle = await fs.open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  });
}

function writable(path: string, handle: fs.FileHandle): WritableFile {
  return {
    write: (bytes) =>
      attempt("write", path, async () => {
        let written = 0;
        while (written < bytes.byteLength) {
          const result = await handle.write(bytes, written);
          written += result.bytesWritten;
        }
      }),
    synchronise: () => attempt("make durable", path, () => handle.sync()),
    close: () => attempt("close", path, () => handle.close()),
  };
}

function kindOf(stats: {
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}): EntryKind {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "folder";
  return stats.isSymbolicLink() ? "link" : "other";
}

/** Byte order of the UTF-8 form: the same on every device, whatever its locale. */
function byBytes(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}

async function attempt<T>(what: string, path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw asFailure(error, what, path);
  }
}

async function absentIsNull<T>(
  what: string,
  path: string,
  action: () => Promise<T>,
): Promise<T | null> {
  try {
    return await action();
  } catch (error) {
    // EINVAL is readlink's answer for something that is not a link.
    if (["ENOENT", "ENOTDIR", "EINVAL"].includes(errorNumber(error) ?? "")) return null;
    throw asFailure(error, what, path);
  }
}

function asFailure(error: unknown, attempted: string, path: string): MusterError {
  return toMusterError(fileFailure(error, attempted, path), `${attempted} ${path}`);
}
