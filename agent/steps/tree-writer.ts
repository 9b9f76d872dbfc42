// SPDX-License-Identifier: Apache-2.0
/**
 * Writes entries below a root, never through a link: every folder on the way is looked at before
 * the first use and known from then on, for a folder is never replaced. An entry replaces an
 * earlier file or link of its name, so that unpacking may be repeated.
 */
import { dirname, join } from "node:path";
import type { Files, WritableFile } from "../files/files.ts";

/** Null, or a sentence about why the entry cannot be placed. */
export type Refusal = string | null;

export class TreeWriter {
  readonly #files: Files;
  readonly #root: string;
  readonly #knownFolders = new Set<string>([""]);

  /** `root` exists and is a folder. */
  constructor(options: { files: Files; root: string }) {
    this.#files = options.files;
    this.#root = options.root;
  }

  async folder(path: string, mode: number): Promise<Refusal> {
    const refusal = await this.#makeFolders(path);
    if (refusal === null) await this.#files.setMode(join(this.#root, path), mode);
    return refusal;
  }

  /** The file, open and empty, or why not. */
  async file(path: string, mode: number): Promise<WritableFile | string> {
    const refusal = await this.#clear(path);
    if (refusal !== null) return refusal;
    const place = join(this.#root, path);
    const file = await this.#files.createFile(place, 0o600);
    await this.#files.setMode(place, mode); // Not subject to the umask.
    return file;
  }

  async link(path: string, target: string): Promise<Refusal> {
    const refusal = await this.#clear(path);
    if (refusal === null) await this.#files.createLink(join(this.#root, path), target);
    return refusal;
  }

  async hardLink(path: string, existing: string): Promise<Refusal> {
    const refusal = (await this.#parentsAreFolders(existing)) ?? (await this.#clear(path));
    if (refusal !== null) return refusal;
    const facts = await this.#files.facts(join(this.#root, existing));
    if (facts?.kind !== "file") return `${path} is a hard link to ${existing}, which is no file`;
    await this.#files.createHardLink(join(this.#root, path), join(this.#root, existing));
    return null;
  }

  /** Makes room for an entry: its folders exist, nothing has its name. */
  async #clear(path: string): Promise<Refusal> {
    const parent = parentOf(path);
    const refusal = await this.#makeFolders(parent);
    if (refusal !== null) return refusal;
    const place = join(this.#root, path);
    const facts = await this.#files.facts(place);
    if (facts?.kind === "folder") return `${path} would replace a folder`;
    if (facts !== null) await this.#files.remove(place);
    return null;
  }

  async #makeFolders(path: string): Promise<Refusal> {
    if (this.#knownFolders.has(path)) return null;
    const refusal = await this.#makeFolders(parentOf(path));
    if (refusal !== null) return refusal;
    const place = join(this.#root, path);
    const facts = await this.#files.facts(place);
    if (facts === null) await this.#files.createFolder(place);
    else if (facts.kind !== "folder") return `${path} is no folder`;
    this.#knownFolders.add(path);
    return null;
  }

  async #parentsAreFolders(path: string): Promise<Refusal> {
    for (let folder = parentOf(path); folder !== ""; folder = parentOf(folder)) {
      const facts = await this.#files.facts(join(this.#root, folder));
      if (facts?.kind !== "folder") return `${folder} is no folder`;
    }
    return null;
  }
}

function parentOf(path: string): string {
  const parent = dirname(path);
  return parent === "." ? "" : parent;
}
