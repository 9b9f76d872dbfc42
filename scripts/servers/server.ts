// SPDX-License-Identifier: Apache-2.0
//
// What every server that tests and demos start has in common: how it is looked for, how it is
// installed, and how a copy of it is started that nobody else sees, in a folder and at an address
// of its own, and is stopped by its process id. One module a server; `all.ts` lists them.

import { spawn, type ChildProcess } from "node:child_process";
import { createServer } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import { delay } from "../../ports/clock.ts";
import { systemClock } from "../../runtime/system-clock.ts";

/** Where its programs are, or that there are none. */
export type Found =
  | { readonly isFound: true; readonly version: string; readonly place: string }
  | { readonly isFound: false; readonly missing: string };

export interface ServerKind {
  /** `postgres`: the name of its folders in `engines/` and `test/engines/`. */
  readonly name: string;
  /** `PostgreSQL`. */
  readonly title: string;
  find(): Promise<Found>;
  /** Brings it onto this machine; throws what went wrong. */
  install(): Promise<void>;
}

/** Built servers stay here between runs; outside the clone, so that a clean clone is clean. */
export function cacheFolder(): string {
  const { MUSTER_CI_CACHE, XDG_CACHE_HOME } = process.env;
  return MUSTER_CI_CACHE ?? join(XDG_CACHE_HOME ?? join(homedir(), ".cache"), "muster-ci");
}

/** Runs a command to its end; throws with what it wrote when it fails. */
export async function run(
  command: string,
  args: readonly string[],
  options: { uid?: number; gid?: number; env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Promise<string> {
  const child = spawn(command, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8");
    stream.on("data", (text: string) => (output += text));
  }
  const status = await new Promise<number | string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(code ?? signal ?? "unknown"));
  });
  if (status === 0) return output;
  throw new Error(`${command} ${args.join(" ")} ended with ${status}:\n${output.trim()}`);
}

/** Debian packages, by apt; asks for root's rights where it has them not. */
export async function installPackages(names: readonly string[]): Promise<void> {
  const asRoot = process.getuid?.() === 0 ? [] : ["sudo"];
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  for (const args of [["update"], ["install", "-y", "--no-install-recommends", ...names]]) {
    const [command = "", ...rest] = [...asRoot, "apt-get", "-qq", ...args];
    await run(command, rest, { env });
  }
}

/**
 * An address of this machine that no client socket has as its own: on Linux all of 127/8 is local,
 * and a client's end is 127.0.0.1, so that its passing ports never stand in the way of a server
 * that starts again on the port it had.
 */
export function loopbackAddress(): string {
  if (process.platform !== "linux") return "127.0.0.1";
  const part = (): number => 1 + Math.floor(Math.random() * 250);
  return `127.${part()}.${part()}.${part()}`;
}

/** A port that is free now; who listens must be ready to be told otherwise. */
export async function freePort(host: string): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, host, resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error(`no port on ${host}`);
  return address.port;
}

/** Polls until `check` is true; throws when the process ends first or time is over. */
export async function waitUntilReady(
  child: ChildProcess,
  check: () => Promise<boolean>,
  options: { title: string; timeoutMs: number; log: () => string },
): Promise<void> {
  const endMs = systemClock.monotonicMs() + options.timeoutMs;
  const { signal } = new AbortController();
  while (!(await check())) {
    const hasEnded = child.exitCode !== null || child.signalCode !== null;
    if (hasEnded || systemClock.monotonicMs() > endMs) {
      const what = hasEnded ? "ended" : `was not ready after ${options.timeoutMs} ms`;
      throw new Error(`${options.title} ${what}; it wrote:\n${options.log()}`);
    }
    await delay(systemClock, 30, signal);
  }
}

/** Ends a child of ours by its id and waits until it is gone. */
export async function endProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await gone;
}
