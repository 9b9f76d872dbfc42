// SPDX-License-Identifier: Apache-2.0
/**
 * The context file: where `muster login` keeps the center's address, the operator token, the
 * authority of the center's certificate and the tenant. `~/.config/muster/context.json`
 * (`XDG_CONFIG_HOME` moves it, `MUSTER_CONFIG` names another file). Mode 600: whoever reads it is
 * the operator. Written whole beside itself and renamed, so it is never half written.
 */
import { chmod, mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { MusterError } from "../domain/errors.ts";

export interface SavedContext {
  /** `http://127.0.0.1:7070` or `https://host:7070`. */
  readonly server: string;
  readonly token: string;
  /** PEM of the authority that the center's certificate must lead to; null = the system's. */
  readonly caPem: string | null;
  readonly tenant: string;
}

/** Path of the context file. */
export function contextPath(environment: { readonly [name: string]: string | undefined }): string {
  const named = environment["MUSTER_CONFIG"];
  if (named !== undefined && named !== "") return named;
  const home = environment["HOME"] ?? homedir();
  const config = environment["XDG_CONFIG_HOME"];
  const folder = config !== undefined && config !== "" ? config : join(home, ".config");
  return join(folder, "muster", "context.json");
}

/** null when there is none. Throws `invalid_argument` when the file is not one of ours. */
export async function readContext(path: string): Promise<SavedContext | null> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw fileError("reading the saved login failed", path, error);
  }
  const context = parseContext(text);
  if (context !== null) return context;
  throw new MusterError({
    code: "invalid_argument",
    message: "the saved login is not readable as JSON with server, token, caPem and tenant",
    detail: { file: path, hint: "run `muster login` again; it replaces the file" },
  });
}

/** Whether others than its owner may read the file. */
export async function isExposed(path: string): Promise<boolean> {
  if (process.platform === "win32") return false; // Modes say nothing there.
  const { mode } = await stat(path);
  return (mode & 0o077) !== 0;
}

/** Replaces the file. */
export async function writeContext(path: string, context: SavedContext): Promise<void> {
  const partial = `${path}.partial`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(partial, `${JSON.stringify(context, null, 2)}\n`, { mode: 0o600 });
    await chmod(partial, 0o600); // writeFile leaves the mode of a file that was there.
    await rename(partial, path);
  } catch (error) {
    throw fileError("saving the login failed", path, error);
  }
}

function parseContext(text: string): SavedContext | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null; // Said by the caller, with the path.
  }
  if (typeof value !== "object" || value === null) return null;
  const { server, token, caPem, tenant } = value as { [key: string]: unknown };
  if (typeof server !== "string" || typeof token !== "string") return null;
  if (typeof tenant !== "string" || (caPem !== null && typeof caPem !== "string")) return null;
  return { server, token, caPem, tenant };
}

function fileError(message: string, path: string, error: unknown): MusterError {
  const { code } = error as NodeJS.ErrnoException;
  return new MusterError({
    code: code === "ENOSPC" ? "no_space" : "failed_precondition",
    message: `${message} (${code ?? "unknown error"})`,
    detail: { file: path, hint: "MUSTER_CONFIG names another file" },
    cause: error,
  });
}
