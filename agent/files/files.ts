// SPDX-License-Identifier: Apache-2.0
/**
 * The agent's view of its disk, as a port: in production the operating system (`system-files.ts`),
 * in tests a wrapper that fails where it is told to, in whole-system simulation a disk in memory.
 * Paths are absolute. No operation follows a symbolic link in its last component, except
 * `readLink`, which reads it.
 *
 * Every failure is a MusterError: `no_space` when the disk or quota is full, else as
 * runtime/file-failure.ts says. Absence is not a failure where the result can say null.
 */

export type EntryKind = "file" | "folder" | "link" | "other";

export interface EntryFacts {
  readonly kind: EntryKind;
  /** Permission bits only (0 to 0o7777). */
  readonly mode: number;
  readonly sizeBytes: number;
}

/** A file open for writing. Not durable before `synchronise`. */
export interface WritableFile {
  write(bytes: Uint8Array): Promise<void>;
  synchronise(): Promise<void>;
  close(): Promise<void>;
}

export interface Files {
  /** The whole text, or null when there is no such file; `too_large` beyond `bytesMax`. */
  readText(path: string, bytesMax: number): Promise<string | null>;
  /** The bytes from `fromByte` on, in chunks of at most 64 KiB. */
  readChunks(path: string, fromByte: number): AsyncIterable<Uint8Array>;
  /**
   * Replaces the file's content as one durable change: temporary file, fsync, rename, fsync of the
   * folder. After a power cut there is the old text or the new one. `point` names the fault points
   * passed: `{point}.before`, `.middle` (written, not yet renamed), `.after`.
   */
  writeAtomically(options: { path: string; text: string; point: string }): Promise<void>;
  /** Makes the folder and its parents; durable after the call. */
  makeFolder(path: string): Promise<void>;
  /** Makes one folder; fails when something has that name. Not durable before `synchronise`. */
  createFolder(path: string): Promise<void>;
  /** Removes a file, a link or a whole tree, read-only folders too; nothing when there is none. */
  remove(path: string): Promise<void>;
  /** Durable move within one file system; replaces a file. */
  rename(from: string, to: string): Promise<void>;
  /** Names in byte order, or null when there is no such folder. */
  list(path: string): Promise<readonly string[] | null>;
  /** Facts of the entry itself, or null when there is none. */
  facts(path: string): Promise<EntryFacts | null>;
  /** A new file for writing; fails when something has that name. */
  createFile(path: string, mode: number): Promise<WritableFile>;
  /** Opens for appending; makes the file when there is none. */
  appendFile(path: string): Promise<WritableFile>;
  /** Cuts a file off behind `lengthBytes`. Not durable before `synchronise`. */
  truncate(path: string, lengthBytes: number): Promise<void>;
  setMode(path: string, mode: number): Promise<void>;
  createLink(path: string, target: string): Promise<void>;
  createHardLink(path: string, existing: string): Promise<void>;
  /** The target of a symbolic link, or null when there is no link of that name. */
  readLink(path: string): Promise<string | null>;
  /** Points the symbolic link at `target` (null = removes it) as one durable change. */
  switchLink(options: { path: string; target: string | null; point: string }): Promise<void>;
  /** fsync of a file or a folder. */
  synchronise(path: string): Promise<void>;
  /** Bytes an ordinary process may still write on the file system of `path`. */
  freeBytes(path: string): Promise<number>;
}
