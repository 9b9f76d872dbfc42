// SPDX-License-Identifier: Apache-2.0
/**
 * The agent's disk in memory: a table of paths. It answers as the operating system's does, errors
 * by `fileFailure` included; every change is durable at once, so nothing here is lost or torn.
 * Permission bits are kept and not enforced.
 */
import { Buffer } from "node:buffer";
import { dirname } from "node:path";
import { MusterError } from "../../domain/errors.ts";
import type { EntryFacts, Files, WritableFile } from "../../agent/files/files.ts";
import { fileFailure } from "../../runtime/file-failure.ts";

const CHUNK_BYTES = 65_536;
const FREE_BYTES: number = 2 ** 30;

/** What hard links share. */
interface Content {
  bytes: Buffer;
  mode: number;
}

type Entry =
  | { readonly kind: "file"; readonly content: Content }
  | { readonly kind: "folder"; mode: number }
  | { readonly kind: "link"; readonly target: string };

export class MemoryFiles implements Files {
  private readonly entries = new Map<string, Entry>([["/", { kind: "folder", mode: 0o755 }]]);
  private watcher: (path: string) => void = () => {};

  /** Told of each path that is there from now on, is another than before, or is gone. */
  watch(watcher: (path: string) => void): void {
    this.watcher = watcher;
  }

  /** The text of a file, for whoever looks from outside; null = there is none. */
  peek(path: string): string | null {
    const entry = this.resolved(path);
    return entry?.kind === "file" ? entry.content.bytes.toString("utf8") : null;
  }

  async readText(path: string, bytesMax: number): Promise<string | null> {
    if (this.resolved(path) === undefined) return null;
    const { bytes } = this.content(path, "read");
    if (bytes.length <= bytesMax) return bytes.toString("utf8");
    const message = `cannot read: ${bytes.length} bytes are more than the limit of ${bytesMax}`;
    throw new MusterError({ code: "too_large", message, detail: { file: path } });
  }

  async *readChunks(path: string, fromByte: number): AsyncIterable<Uint8Array> {
    const { bytes } = this.content(path, "read");
    for (let at = fromByte; at < bytes.length; at += CHUNK_BYTES) {
      yield Uint8Array.from(bytes.subarray(at, at + CHUNK_BYTES));
    }
  }

  async writeAtomically({ path, text }: { path: string; text: string }): Promise<void> {
    this.put(path, { kind: "file", content: { bytes: Buffer.from(text), mode: 0o600 } }, "write");
  }

  async makeFolder(path: string): Promise<void> {
    const place = this.place(path);
    if (this.entries.get(place)?.kind === "folder") return;
    await this.makeFolder(dirname(place));
    this.putNew(place, { kind: "folder", mode: 0o755 }, "create a folder");
  }

  async createFolder(path: string): Promise<void> {
    this.putNew(path, { kind: "folder", mode: 0o755 }, "create a folder");
  }

  async remove(path: string): Promise<void> {
    const place = this.place(path);
    const wasThere = this.entries.delete(place);
    for (const name of this.entries.keys()) {
      if (name.startsWith(`${place}/`)) this.entries.delete(name);
    }
    if (wasThere) this.watcher(place);
  }

  async rename(from: string, to: string): Promise<void> {
    const source = this.place(from);
    const entry = this.entries.get(source);
    if (entry === undefined) throw failure("ENOENT", "move", from);
    const inside = [...this.entries].filter(([name]) => name.startsWith(`${source}/`));
    await this.remove(from);
    this.put(to, entry, "move");
    const target = this.place(to);
    for (const [name, below] of inside) this.entries.set(target + name.slice(source.length), below);
  }

  async list(path: string): Promise<readonly string[] | null> {
    const place = this.place(path);
    if (this.entries.get(place)?.kind !== "folder") return null;
    return [...this.entries.keys()]
      .filter((name) => name !== "/" && dirname(name) === place)
      .map((name) => name.slice(name.lastIndexOf("/") + 1))
      .toSorted((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)));
  }

  async facts(path: string): Promise<EntryFacts | null> {
    const entry = this.resolved(path);
    if (entry === undefined) return null;
    const { kind } = entry;
    if (kind === "link") return { kind, mode: 0o777, sizeBytes: entry.target.length };
    if (kind === "folder") return { kind, mode: entry.mode, sizeBytes: 0 };
    return { kind, mode: entry.content.mode, sizeBytes: entry.content.bytes.length };
  }

  async createFile(path: string, mode: number): Promise<WritableFile> {
    const content = { bytes: Buffer.alloc(0), mode };
    this.putNew(path, { kind: "file", content }, "create");
    return appending(content);
  }

  async appendFile(path: string): Promise<WritableFile> {
    if (this.resolved(path) === undefined) return this.createFile(path, 0o600);
    return appending(this.content(path, "open"));
  }

  async truncate(path: string, lengthBytes: number): Promise<void> {
    const content = this.content(path, "cut off");
    content.bytes = content.bytes.subarray(0, lengthBytes);
  }

  async setMode(path: string, mode: number): Promise<void> {
    const entry = this.resolved(path);
    if (entry?.kind === "folder") entry.mode = mode;
    else this.content(path, "set the mode").mode = mode;
  }

  async createLink(path: string, target: string): Promise<void> {
    this.putNew(path, { kind: "link", target }, "create a link");
  }

  async createHardLink(path: string, existing: string): Promise<void> {
    const content = this.content(existing, "create a hard link");
    this.putNew(path, { kind: "file", content }, "create a hard link");
  }

  async readLink(path: string): Promise<string | null> {
    const entry = this.resolved(path);
    return entry?.kind === "link" ? entry.target : null;
  }

  async switchLink({ path, target }: { path: string; target: string | null }): Promise<void> {
    if (target === null) await this.remove(path);
    else this.put(path, { kind: "link", target }, "create a link");
  }

  async synchronise(path: string): Promise<void> {
    if (this.resolved(path) === undefined) throw failure("ENOENT", "make durable", path);
  }

  async freeBytes(_path: string): Promise<number> {
    return FREE_BYTES;
  }

  /** The path with the links of its folders followed; its last part as it is. */
  private place(path: string): string {
    const parts = path.split("/").filter((part) => part !== "");
    let place = "";
    for (const [index, part] of parts.entries()) {
      place = `${place}/${part}`;
      const entry = index === parts.length - 1 ? undefined : this.entries.get(place);
      if (entry?.kind !== "link") continue;
      const { target } = entry;
      place = this.place(target.startsWith("/") ? target : `${dirname(place)}/${target}`);
    }
    return place === "" ? "/" : place;
  }

  private resolved(path: string): Entry | undefined {
    return this.entries.get(this.place(path));
  }

  private content(path: string, attempted: string): Content {
    const entry = this.resolved(path);
    if (entry === undefined) throw failure("ENOENT", attempted, path);
    if (entry.kind !== "file") {
      throw failure(entry.kind === "link" ? "ELOOP" : "EISDIR", attempted, path);
    }
    return entry.content;
  }

  private putNew(path: string, entry: Entry, attempted: string): void {
    if (this.resolved(path) !== undefined) throw failure("EEXIST", attempted, path);
    this.put(path, entry, attempted);
  }

  private put(path: string, entry: Entry, attempted: string): void {
    const place = this.place(path);
    const parent = this.entries.get(dirname(place));
    if (parent === undefined) throw failure("ENOENT", attempted, path);
    if (parent.kind !== "folder") throw failure("ENOTDIR", attempted, path);
    if (this.entries.get(place)?.kind === "folder") throw failure("EISDIR", attempted, path);
    const before = this.entries.get(place);
    this.entries.set(place, entry);
    const isSame =
      before?.kind === "link" && entry.kind === "link" && before.target === entry.target;
    if (!isSame) this.watcher(place);
  }
}

function appending(content: Content): WritableFile {
  return {
    write: async (bytes) => {
      content.bytes = Buffer.concat([content.bytes, bytes]);
    },
    synchronise: async () => {},
    close: async () => {},
  };
}

function failure(code: string, attempted: string, path: string): unknown {
  return fileFailure(Object.assign(new Error(code), { code }), attempted, path);
}
