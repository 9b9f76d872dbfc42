// SPDX-License-Identifier: Apache-2.0
/** Other people's programs in tests: found or skipped by name, run with a bound. */
import { spawn, type ChildProcess } from "node:child_process";
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, join } from "node:path";
import type { TestContext } from "node:test";

/** A tool that hangs is a failure, not a reason to wait. */
const TIMEOUT_MS = 30_000;

export interface ToolResult {
  /** null = ended by a signal. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ToolOptions {
  readonly cwd: string;
  readonly environment?: { readonly [name: string]: string };
  readonly stdin?: string;
}

/** False, and the test is skipped by the tool's name, when one of them is not in PATH. */
export async function haveTools(
  context: Pick<TestContext, "skip">,
  ...tools: readonly string[]
): Promise<boolean> {
  for (const tool of tools) {
    if (await isInPath(tool)) continue;
    context.skip(`there is no ${tool} on this machine`);
    return false;
  }
  return true;
}

/** Runs a tool to its end. Rejects only when it cannot be started. */
export async function runTool(
  tool: string,
  words: readonly string[],
  options: ToolOptions,
): Promise<ToolResult> {
  const child = startTool(tool, words, options);
  return child.ended;
}

export interface StartedTool extends AsyncDisposable {
  readonly child: ChildProcess;
  /** When it has ended, by itself or not. */
  readonly ended: Promise<ToolResult>;
}

/** Starts a tool in a process group of its own; disposing ends the whole group. */
export function startTool(
  tool: string,
  words: readonly string[],
  options: ToolOptions & {
    readonly timeoutMs?: number;
    /** Its input stays open: the test writes to it. */
    readonly isTalking?: boolean;
  },
): StartedTool {
  const child = spawn(tool, [...words], {
    cwd: options.cwd,
    env: { ...process.env, ...options.environment },
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
  });
  const endGroup = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended already.
    }
  };
  const overdue = setTimeout(endGroup, options.timeoutMs ?? TIMEOUT_MS);
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (output.stderr += text));
  child.stdin.on("error", () => undefined); // It may end without reading.
  if (options.isTalking !== true) child.stdin.end(options.stdin ?? "");
  const ended = new Promise<ToolResult>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status) => resolve({ status, ...output }));
  }).finally(() => clearTimeout(overdue));
  ended.catch(() => undefined); // Whoever waits for it hears of it.
  return {
    child,
    ended,
    [Symbol.asyncDispose]: async () => {
      endGroup();
      await ended.catch(() => undefined);
    },
  };
}

async function isInPath(tool: string): Promise<boolean> {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    const found = await access(join(folder, tool), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return true;
  }
  return false;
}
