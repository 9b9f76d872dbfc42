// SPDX-License-Identifier: Apache-2.0
/**
 * What is published works where nothing of the clone is: packed, installed in an empty folder with
 * the pinned runtime, and the demo runs from there.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { DemoResult } from "../../cli/demo/demo-result.ts";
import { tempDir } from "../helpers/temp-dir.ts";

const run = promisify(execFile);
const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const TIMEOUT_MS = 300_000;

it("the packed and installed program plays the demo", { timeout: TIMEOUT_MS }, async (t) => {
  await using folder = await tempDir("package");
  const { path } = folder;
  const { signal } = t;
  const packed = await run("npm", ["pack", "--silent", "--pack-destination", path], {
    cwd: ROOT,
    signal,
  });
  const archive = packed.stdout.trim().split("\n").at(-1) ?? "";
  await writeFile(join(path, "package.json"), JSON.stringify({ name: "empty", private: true }));
  const quiet = ["--silent", "--no-audit", "--no-fund", "--prefer-offline"];
  await run("npm", ["install", ...quiet, join(path, archive)], { cwd: path, signal });
  const muster = join(path, "node_modules", ".bin", "muster");
  const version = await run(muster, ["version"], { cwd: path, signal });
  assert.match(version.stdout, /26\.10\.0/, "it runs on the runtime that it brings");
  const demo = await run(muster, ["demo", "--once", "--json", "--devices", "100"], {
    cwd: path,
    signal,
    maxBuffer: 16 << 20,
  });
  const result = JSON.parse(demo.stdout) as DemoResult;
  assert.equal(result.ok, true, demo.stdout);
  assert.equal(result.enrolled, 103);
});
