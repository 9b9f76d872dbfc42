// SPDX-License-Identifier: Apache-2.0
/**
 * The measured identity of a folder's content: SHA-256 over every entry below it, folder by folder,
 * names in byte order. Counted are path, kind, permission bits, a file's bytes, a link's target.
 * Not counted are times and owners, which differ between devices that run the same thing, and
 * whether two files share an inode.
 *
 * One entry is: kind letter, mode in octal, byte length of the path, path, then 32 bytes: SHA-256
 * of the file's content or of the link's target (zeros for a folder). Lengths and fixed widths keep
 * two different trees from having one form.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { MusterError } from "../../domain/errors.ts";
import type { EntryFacts, Files } from "../files/files.ts";

/** More than any sane release; bounds the walk on a folder that something else fills. */
export const MAX_TREE_ENTRIES = 200_000;

const FOLDER_HASH = new Uint8Array(32);

/**
 * Measures the folder. Throws `too_large` beyond MAX_TREE_ENTRIES, `failed_precondition` for an
 * entry that is no file, folder or link, and what the Files port throws.
 */
export async function measureTree(options: {
  files: Files;
  folder: string;
  signal: AbortSignal;
}): Promise<string> {
  const { files, folder, signal } = options;
  const total = createHash("sha256");
  let entryCount = 0;
  // A stack of relative paths, in reverse order, instead of recursion: depth is the content's
  // choice.
  const pending: string[] = [""];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    signal.throwIfAborted();
    entryCount += 1;
    if (entryCount > MAX_TREE_ENTRIES) {
      throw new MusterError({
        code: "too_large",
        message: `cannot measure the folder: it holds more than ${MAX_TREE_ENTRIES} entries`,
        detail: { file: folder },
      });
    }
    const place = path === "" ? folder : join(folder, path);
    const facts = await files.facts(place);
    if (facts === null) throw vanished(place);
    total.update(entryHead(facts, path));
    total.update(await entryHash(files, place, facts));
    if (facts.kind !== "folder") continue;
    const names = (await files.list(place)) ?? [];
    for (const name of names.toReversed()) pending.push(path === "" ? name : `${path}/${name}`);
  }
  return total.digest("hex");
}

/** The root's own mode does not count: it belongs to the layout, not to the content. */
function entryHead(facts: EntryFacts, path: string): string {
  const mode = path === "" || facts.kind === "link" ? 0 : facts.mode;
  const letter = facts.kind === "file" ? "f" : facts.kind === "folder" ? "d" : "l";
  return `${letter} ${mode.toString(8)} ${Buffer.byteLength(path)} ${path}\n`;
}

async function entryHash(files: Files, place: string, facts: EntryFacts): Promise<Uint8Array> {
  if (facts.kind === "folder") return FOLDER_HASH;
  const hash = createHash("sha256");
  if (facts.kind === "link") {
    const target = await files.readLink(place);
    if (target === null) throw vanished(place);
    return hash.update(target).digest();
  }
  if (facts.kind !== "file") {
    throw new MusterError({
      code: "failed_precondition",
      message: "cannot measure an entry that is no file, folder or link",
      detail: { file: place },
    });
  }
  for await (const chunk of files.readChunks(place, 0)) hash.update(chunk);
  return hash.digest();
}

function vanished(place: string): MusterError {
  return new MusterError({
    code: "failed_precondition",
    message: "cannot measure the folder: an entry vanished meanwhile",
    detail: { file: place },
  });
}

/** fsync of every file and folder below `folder`, the folder itself last. */
export async function synchroniseTree(options: {
  files: Files;
  folder: string;
  signal: AbortSignal;
}): Promise<void> {
  const { files, folder, signal } = options;
  const folders: string[] = [];
  const pending: string[] = [folder];
  for (let place = pending.pop(); place !== undefined; place = pending.pop()) {
    signal.throwIfAborted();
    const facts = await files.facts(place);
    if (facts?.kind === "file") await files.synchronise(place);
    if (facts?.kind !== "folder") continue;
    folders.push(place);
    for (const name of (await files.list(place)) ?? []) pending.push(join(place, name));
  }
  // Parents come before their children in the list: sync from the leaves up.
  for (const place of folders.toReversed()) await files.synchronise(place);
}
