// SPDX-License-Identifier: Apache-2.0
//
// One step of a script: a command that runs to its end with this terminal's output, and how long
// it took. `npm test` and `npm run ci` are lists of these, so that both say the same way what ran.
//
// Commands are looked up in node_modules/.bin first: what is run is what package.json pins, also
// when a script is started by hand instead of through npm.

import { spawn } from "node:child_process";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root folder, absolute. */
export const root: string = fileURLToPath(new URL("..", import.meta.url));

/** A command to run in the repository's root. */
export interface Stage {
  /** What is printed; a word or two. */
  name: string;
  command: string;
  args: readonly string[];
  /** On top of this process's own. */
  env?: Readonly<Record<string, string>>;
}

/** How a stage ended. */
export interface StageResult {
  name: string;
  /** Whether it ended with status 0. */
  ok: boolean;
  /** Wall time. */
  seconds: number;
}

/** Runs one stage to its end; a command that cannot be started counts as failed, and is named. */
export async function runStage(stage: Stage): Promise<StageResult> {
  const startMs = performance.now();
  const ok = await new Promise<boolean>((resolve) => {
    const child = spawn(stage.command, stage.args, {
      cwd: root,
      stdio: "inherit",
      env: { ...process.env, ...stage.env, PATH: binaryPath() },
    });
    child.once("error", (error) => {
      console.error(`${stage.name}: starting ${stage.command} failed: ${error.message}.`);
      resolve(false);
    });
    child.once("exit", (code) => resolve(code === 0));
  });
  return { name: stage.name, ok, seconds: (performance.now() - startMs) / 1000 };
}

/** One line: what ran, how it ended, how long it took. */
export function summarize(results: readonly StageResult[]): string {
  return results
    .map(({ name, ok, seconds }) => `${name} ${ok ? "ok" : "FAILED"} (${seconds.toFixed(1)} s)`)
    .join(", ");
}

/** PATH with the pinned tools in front. */
export function binaryPath(): string {
  return [join(root, "node_modules", ".bin"), process.env["PATH"] ?? ""].join(delimiter);
}
