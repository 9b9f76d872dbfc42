// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { renderDeployFiles } from "../../../scripts/deploy-files.ts";
import { root } from "../../../scripts/stage.ts";

describe("the files of deploy/ and the table of the guide", () => {
  test("have what doctor checks; node scripts/deploy-files.ts writes them anew", async () => {
    for (const [path, text] of await renderDeployFiles()) {
      assert.equal(await readFile(join(root, path), "utf8"), text, path);
    }
  });
});
