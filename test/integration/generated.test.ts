// SPDX-License-Identifier: Apache-2.0
//
// Generated code is committed; this is what keeps it equal to what the .proto files say.

import assert from "node:assert/strict";
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { generate, GENERATED_FOLDERS } from "../../scripts/generate.ts";
import { root } from "../../scripts/stage.ts";

/** Text by path below the folder. */
function readFolder(folder: string): Record<string, string> {
  const paths = globSync("**/*.ts", { cwd: folder }).toSorted();
  return Object.fromEntries(paths.map((path) => [path, readFileSync(join(folder, path), "utf8")]));
}

test("the committed code is what the .proto files generate", async () => {
  const folder = mkdtempSync(join(tmpdir(), "muster-generate-"));
  try {
    assert.ok(await generate(folder), "buf has said on stderr what is wrong");
    for (const generated of GENERATED_FOLDERS) {
      const expected = readFolder(join(folder, generated));
      const committed = readFolder(join(root, generated));
      assert.deepEqual(Object.keys(committed), Object.keys(expected), "run `npm run generate`");
      for (const [path, text] of Object.entries(expected)) {
        assert.ok(committed[path] === text, `${path} is out of date: run \`npm run generate\``);
      }
      assert.ok(Object.keys(expected).length > 0, "no .proto file was found");
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
