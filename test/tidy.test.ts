// SPDX-License-Identifier: Apache-2.0
//
// The style as a test: what CONTRIBUTING.md asks and no compiler checks. Each rule is a function
// in test/tidy/, is shown to find what it is for in test/tidy/rules.test.ts, and reports every
// finding at once as `path:line: what is wrong, what to do`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { rules } from "./tidy/rules.ts";
import { readTree } from "./tidy/tree.ts";

const tree = readTree(fileURLToPath(new URL("..", import.meta.url)));

test("the tree that is checked is the repository", () => {
  assert.ok(tree.files.has("package.json"));
  assert.ok(tree.modules.some(({ path }) => path === "test/tidy.test.ts"));
});

for (const [sentence, rule] of Object.entries(rules)) {
  test(sentence, () => {
    const findings = rule(tree).map(({ path, line, message }) => `${path}:${line}: ${message}`);
    if (findings.length > 0) assert.fail(`\n${findings.join("\n")}`);
  });
}
