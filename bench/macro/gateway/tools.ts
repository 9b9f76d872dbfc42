// SPDX-License-Identifier: Apache-2.0
/** Compilers and other people's servers: found, built once into a cache, or named as missing. */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { access, cp, mkdir, readFile, rename, symlink } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

/** `XDG_CACHE_HOME/muster-bench`: what is built once is there at the next run. */
export function cachePath(...names: readonly string[]): string {
  const home = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  return join(home, "muster-bench", ...names);
}

/** The first of the programs that is there; a bare name is looked for in PATH. */
export async function findProgram(...names: readonly string[]): Promise<string | null> {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  for (const name of names) {
    const files = name.includes("/") ? [name] : folders.map((folder) => join(folder, name));
    for (const file of files) {
      if (await isThere(file, constants.X_OK)) return file;
    }
  }
  return null;
}

export async function isThere(file: string, mode: number = constants.F_OK): Promise<boolean> {
  return access(file, mode).then(
    () => true,
    () => false,
  );
}

/** A file beside this one. */
export function benchFile(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

/** The program built from a source file beside this one; null when there is no compiler. */
export async function build(
  source: "load/load.c" | "../coap/load.c" | "peers/threads.c" | "peers/goroutines.go",
): Promise<string | null> {
  const isGo = source.endsWith(".go");
  const compiler = await (isGo
    ? findProgram("go", "/usr/local/go/bin/go", "/usr/lib/go/bin/go")
    : findProgram("cc", "gcc", "clang"));
  if (compiler === null) return null;
  const file = benchFile(source);
  const digest = createHash("sha256")
    .update(await readFile(file))
    .digest("hex");
  const program = cachePath(
    `${source.replace(/^.*\//, "").replace(/\..*$/, "")}-${digest.slice(0, 16)}`,
  );
  if (await isThere(program)) return program;
  await mkdir(dirname(program), { recursive: true });
  const fresh = `${program}.${process.pid}`;
  const words = isGo
    ? ["build", "-o", fresh, file]
    : ["-O2", "-pthread", "-o", fresh, file, ...librariesOf(source)];
  await run(compiler, words);
  await rename(fresh, program);
  return program;
}

function librariesOf(source: string): readonly string[] {
  return source === "../coap/load.c" ? ["-lcrypto"] : [];
}

/**
 * The command `muster` as it is published, in a folder that has no source: built from this clone,
 * and started with the flags that the command gives its runtime.
 */
export async function buildMuster(folder: string): Promise<string> {
  await run(process.execPath, [benchFile("../../../scripts/build.ts")]);
  for (const name of ["bin", "package.json"]) {
    await cp(benchFile(`../../../${name}`), join(folder, name), { recursive: true });
  }
  for (const name of ["dist", "node_modules"]) {
    await symlink(benchFile(`../../../${name}`), join(folder, name));
  }
  return join(folder, "bin", "muster.js");
}

/** Installs a package into the cache; its folder. Throws what npm says. */
export async function installPackage(name: string, version: string): Promise<string> {
  const folder = cachePath(`${name}-${version}`);
  const installed = join(folder, "node_modules", name);
  if (await isThere(join(installed, "package.json"))) return installed;
  await mkdir(folder, { recursive: true });
  await run("npm", ["install", "--silent", "--prefix", folder, `${name}@${version}`]);
  return installed;
}

/** Ends a process that this bench has started, and waits until it has ended. */
export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await ended;
}

/** Starts a program that says its port in its first line. */
export async function startSpoken(
  program: string,
  words: readonly string[],
): Promise<{ child: ChildProcess; port: number }> {
  const child = spawn(program, [...words], { stdio: ["ignore", "pipe", "inherit"] });
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout?.once("data", (text: Buffer) => resolve(Number(text.toString("latin1"))));
    child.once("error", reject);
    child.once("exit", () => reject(new Error(`${program} ended before it said its port`)));
  });
  return { child, port };
}
