// SPDX-License-Identifier: Apache-2.0
/** The bench of upgrades, small: all workers are replaced under load, and nothing is lost. */
import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { test } from "node:test";
import { build } from "../../bench/macro/gateway/tools.ts";
import { runUpgrade } from "../../bench/macro/upgrade/run-upgrade.ts";
import { brokenPromises, upgradeFigures } from "../../bench/macro/upgrade/upgrade-figures.ts";
import { testShell } from "../helpers/shell.ts";
import { tempDir } from "../helpers/temp-dir.ts";

const SIZES = { deviceCount: 120, plainCount: 12, groupCount: 3, workers: 2 };

test("all workers of a gateway are replaced under load, and nothing is lost", async (context) => {
  if ((await build("load/load.c")) === null) {
    return context.skip("there is no C compiler for the load");
  }
  if (process.platform !== "linux") return context.skip("workers are told from /proc");
  await using folder = await tempDir("bench-upgrade");
  const stderr = new Writable({ write: (_chunk, _encoding, done) => done() });
  const result = await runUpgrade({
    ...SIZES,
    folder: folder.path,
    program: "",
    calmMs: 500,
    say: () => {},
    shell: { ...testShell(context.signal), stderr },
  });
  assert.deepEqual(brokenPromises(result, SIZES), []);
  for (const [metric, [value]] of Object.entries(upgradeFigures(result))) {
    assert.ok(Number.isFinite(value), metric);
  }
});
