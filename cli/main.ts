#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
/** The `muster` program: this process as a Shell, one command line, an exit status. */
import { systemClock } from "../runtime/system-clock.ts";
import { systemRandom } from "../runtime/system-random.ts";
import { createProcessInterrupt } from "./interrupt.ts";
import { runCommandLine } from "./run.ts";
import type { Shell } from "./shell.ts";

// A reader that has seen enough (`muster get devices | head`) is no failure.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
}

let requested: 0 | 1 | 2 = 0;
const interrupt = createProcessInterrupt({
  events: process,
  clock: systemClock,
  exit: (status) => process.exit(status),
  onDrainTimeout: (deadlineMs) => {
    process.stderr.write(`muster: still busy after ${deadlineMs / 1_000} s; ending now\n`);
  },
});
const shell: Shell = {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  environment: process.env,
  clock: systemClock,
  random: systemRandom,
  interrupt,
  program: {
    command: process.execPath,
    args: [...process.execArgv, process.argv[1] ?? ""],
    parent: process.send === undefined ? null : process,
    onHangup: (listener) => process.on("SIGHUP", listener),
  },
  setExitStatus: (status) => {
    requested = status;
  },
};

const status = await runCommandLine({
  words: process.argv.slice(2),
  requestedStatus: () => requested,
  shell,
});
process.exitCode = interrupt.exitStatus() ?? status;
// What was written leaves first; then timers and idle connections must not keep the process.
process.stdout.write("", () => process.stderr.write("", () => process.exit()));
