// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { REFERENCE_FILE, renderReference } from "../../../scripts/cli-reference.ts";
import { root } from "../../../scripts/stage.ts";

describe("the page on the command line", () => {
  test("says what --help says; node scripts/cli-reference.ts writes it anew", async () => {
    assert.equal(await readFile(join(root, REFERENCE_FILE), "utf8"), await renderReference());
  });
});
