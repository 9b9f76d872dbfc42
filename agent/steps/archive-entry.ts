// SPDX-License-Identifier: Apache-2.0
/**
 * What an archive may contain, decided per entry, without touching the disk. The rule: nothing is
 * written outside the slot's folder, nothing in it leads outside, and nothing gains rights.
 *
 * - Absolute paths and `..` are refused, not trimmed: an honest archive has neither.
 * - A symbolic link is relative and stays inside. `..` may only lead its target: a later one would
 *   be resolved after other links and could end elsewhere than it reads.
 * - Devices and pipes are refused; so are files with setuid or setgid. On folders those bits and
 *   the sticky bit are common and mean nothing here: they are dropped.
 * - Owners in the archive are ignored: everything belongs to the agent's user, who keeps the right
 *   to read files and to change folders, or the tree could not be measured and removed.
 */
import { posix } from "node:path";

/** What is used of a tar header. */
export interface ArchiveHeader {
  readonly name: string;
  readonly type?: string | null | undefined;
  readonly mode?: number | undefined;
  readonly size?: number | undefined;
  readonly linkname?: string | null | undefined;
}

/** `path`, `existing`: relative to the slot's folder, normal form. */
export type EntryVerdict =
  | { readonly kind: "folder"; readonly path: string; readonly mode: number }
  | { readonly kind: "file"; readonly path: string; readonly mode: number }
  | { readonly kind: "link"; readonly path: string; readonly target: string }
  | { readonly kind: "hard-link"; readonly path: string; readonly existing: string }
  | { readonly kind: "nothing" }
  | { readonly kind: "unsafe"; readonly why: string };

/** Linux's NAME_MAX and, with room for the data folder before it, PATH_MAX. */
const MAX_NAME_BYTES = 255;
const MAX_PATH_BYTES = 3_000;
const SETUID_OR_SETGID = 0o6000;

/** `to`: where below the slot's folder the archive unpacks; "" or "." is the folder itself. */
export function judgeEntry(header: ArchiveHeader, to: string): EntryVerdict {
  const path = placeOf(header.name, to);
  if (typeof path !== "string") return path;
  const mode = header.mode ?? (header.type === "directory" ? 0o755 : 0o644);
  switch (header.type ?? "file") {
    case "directory":
      if (path === "") return { kind: "nothing" };
      return { kind: "folder", path, mode: (mode & 0o777) | 0o700 };
    case "file":
    case "contiguous-file":
      if (path === "" || header.name.endsWith("/"))
        return unsafe(header, "is a file without a name");
      if ((mode & SETUID_OR_SETGID) !== 0) return unsafe(header, "has a setuid or setgid bit");
      return { kind: "file", path, mode: (mode & 0o777) | 0o400 };
    case "symlink":
      return judgeLink(header, path);
    case "link": {
      const existing = placeOf(header.linkname ?? "", to);
      if (typeof existing !== "string" || existing === "" || path === "") {
        return unsafe(header, `is a hard link to ${JSON.stringify(header.linkname)}`);
      }
      return { kind: "hard-link", path, existing };
    }
    default:
      return unsafe(header, `is a ${header.type}`);
  }
}

function judgeLink(header: ArchiveHeader, path: string): EntryVerdict {
  const target = header.linkname ?? "";
  const what = `is a link to ${JSON.stringify(target.slice(0, 200))}`;
  if (path === "" || target === "" || target.includes("\0")) return unsafe(header, what);
  if (target.startsWith("/")) return unsafe(header, `${what}, an absolute path`);
  const parts = target.split("/").filter((part) => part !== "" && part !== ".");
  const upCount = parts.findIndex((part) => part !== "..");
  const leadingUps = upCount === -1 ? parts.length : upCount;
  if (parts.slice(leadingUps).includes("..")) {
    return unsafe(header, `${what}, with ".." behind a name`);
  }
  const depth = path.split("/").length - 1;
  if (leadingUps > depth) return unsafe(header, `${what}, outside the slot's folder`);
  if (Buffer.byteLength(target) > MAX_PATH_BYTES) return unsafe(header, "has too long a target");
  return { kind: "link", path, target };
}

function placeOf(name: string, to: string): string | EntryVerdict {
  const header = { name };
  if (name.includes("\0")) return unsafe(header, "has a name with a zero byte");
  if (name.startsWith("/")) return unsafe(header, "has an absolute path");
  if (name.split("/").includes("..")) return unsafe(header, 'has ".." in its path');
  const path = posix.join(to === "" ? "." : to, name).replace(/\/+$/, "");
  const tooLong =
    Buffer.byteLength(path) > MAX_PATH_BYTES ||
    path.split("/").some((part) => Buffer.byteLength(part) > MAX_NAME_BYTES);
  if (tooLong) return unsafe(header, "has too long a path");
  return path === "." ? "" : path;
}

function unsafe(header: { readonly name: string }, why: string): EntryVerdict {
  return { kind: "unsafe", why: `entry ${JSON.stringify(header.name.slice(0, 200))} ${why}` };
}
