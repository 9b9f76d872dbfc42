// SPDX-License-Identifier: Apache-2.0
/** `muster demo`: a whole installation on this machine, and three acts. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InvalidArgumentError, type Command } from "commander";
import { addExamples } from "../../command.ts";
import { createProgress } from "../../progress/progress.ts";
import { note, writeData, type Shell } from "../../shell.ts";

interface Options {
  readonly devices: number;
  readonly once?: boolean;
  readonly json?: boolean;
  readonly data?: string;
}

/** The processes of a demo share one machine; more devices belong to `muster simulate`. */
const MAX_DEVICES = 10_000;
const MIN_DEVICES = 50;
/** Center, gateways and agents drain within this. */
const DRAIN_MS = 25_000;

export function declare(command: Command, shell: Shell): void {
  command
    .option("--devices <count>", "pretended devices beside the 3 real agents", parseDevices, 1_000)
    .option("--once", "end after the three acts")
    .option("--json", "print one object with every figure on standard output")
    .option("--data <folder>", "keep everything in this folder; else a temporary one");
  addExamples(command, [
    ["muster demo", "Three acts with live progress; then it keeps running to be looked at"],
    ["muster demo --once --json", "For scripts: exit 0 when everything was as it should be"],
  ]);
  command.action((options: Options) => run(shell, options));
}

function parseDevices(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= MIN_DEVICES && count <= MAX_DEVICES) return count;
  throw new InvalidArgumentError(`must be a whole number from ${MIN_DEVICES} to ${MAX_DEVICES}.`);
}

async function run(shell: Shell, options: Options): Promise<void> {
  // Loaded when it runs: help needs none of it.
  const { playDemo } = await import("../../demo/demo.ts");
  const { demoSummary, tryNext } = await import("../../demo/demo-text.ts");
  shell.interrupt.drain(DRAIN_MS);
  const folder = options.data ?? (await mkdtemp(join(tmpdir(), "muster-demo-")));
  try {
    using progress = createProgress({
      stream: shell.stderr,
      isTty: shell.stderr.isTTY === true,
      clock: shell.clock,
    });
    await using demo = await playDemo({ shell, folder, progress, deviceCount: options.devices });
    progress[Symbol.dispose]();
    const { result } = demo;
    for (const line of demoSummary(result)) note(shell, line);
    if (options.json === true) await writeData(shell, `${JSON.stringify(result)}\n`);
    if (!result.ok) shell.setExitStatus(1);
    if (options.once === true || shell.interrupt.signal.aborted) return;
    for (const line of tryNext(demo.installation)) note(shell, line);
    await interrupted(shell.interrupt.signal);
  } catch (error) {
    if (shell.interrupt.signal.aborted) return; // Ctrl-C in the middle of an act
    throw error;
  } finally {
    if (options.data === undefined) await rm(folder, { recursive: true, force: true });
  }
}

function interrupted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
