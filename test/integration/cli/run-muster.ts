// SPDX-License-Identifier: Apache-2.0
/** Runs the real program, `node cli/main.ts …`, with a home folder and environment of its own. */
import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../../cli/main.ts", import.meta.url));

/** A command that hangs is a failure, not a reason to wait. */
const TIMEOUT_MS = 30_000;

export interface MusterResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface MusterOptions {
  /** Working folder; the saved login and default data folders are below it too. */
  readonly cwd: string;
  readonly environment?: { readonly [name: string]: string };
  readonly stdin?: string;
}

/** Runs it to its end. */
export async function runMuster(
  words: readonly string[],
  options: MusterOptions,
): Promise<MusterResult> {
  const child = startMuster(words, options);
  child.stdin?.end(options.stdin ?? "");
  return ended(child);
}

/** Starts it and returns at once. */
export function startMuster(words: readonly string[], options: MusterOptions): ChildProcess {
  return spawn(process.execPath, [MAIN, ...words], {
    cwd: options.cwd,
    env: { PATH: process.env["PATH"] ?? "", HOME: options.cwd, ...options.environment },
    stdio: ["pipe", "pipe", "pipe"],
    timeout: TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
}

/** What a started one said, once it has ended. */
export async function ended(child: ChildProcess): Promise<MusterResult> {
  const output = { stdout: "", stderr: "" };
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (output.stdout += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (output.stderr += text));
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code));
  });
  return { status, ...output };
}
