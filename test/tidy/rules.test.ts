// SPDX-License-Identifier: Apache-2.0
//
// Each rule finds what it is for, and leaves alone what looks like it: small trees with one fault
// planted, and the same without it.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { faults } from "./faults.ts";
import { innocents } from "./innocents.ts";
import { rules } from "./rules.ts";
import { buildTree, readTree } from "./tree.ts";

const licence = "// SPDX-License-Identifier: Apache-2.0\n";

/** The tree of a case: every module gets the licence line that the rules ask for. */
function treeOf(files: Readonly<Record<string, string>>): Map<string, string> {
  return new Map(
    Object.entries(files).map(([path, text]) => [
      path,
      /\.[tj]s$/.test(path) && !text.startsWith("#!") && !text.startsWith("-")
        ? licence + text
        : text,
    ]),
  );
}

describe("a planted fault is found", () => {
  for (const { rule, name, files, finding } of faults) {
    test(`${rule}: ${name}`, () => {
      const findings = rules[rule]?.(buildTree(treeOf(files))) ?? [];
      const lines = findings.map(({ path, line, message }) => `${path}:${line}: ${message}`);
      assert.equal(lines.length, 1, lines.join("\n") || "nothing was found");
      assert.ok(lines[0]?.startsWith(finding), `${lines[0]}\ndoes not start with\n${finding}`);
      assert.match(lines[0] ?? "", /\. .+\.$/, "says what is wrong and what to do");
    });
  }
});

describe("what only looks like a fault is left alone", () => {
  for (const { rule, name, files } of innocents) {
    test(`${rule}: ${name}`, () => {
      assert.deepEqual(rules[rule]?.(buildTree(treeOf(files))), []);
    });
  }
});

test("every rule has a fault that it finds", () => {
  const shown = new Set(faults.map(({ rule }) => rule));
  assert.deepEqual(
    Object.keys(rules).filter((rule) => !shown.has(rule)),
    [],
  );
});

test("faults are found in a folder on disk, and not in what is installed or built there", () => {
  const folder = mkdtempSync(join(tmpdir(), "muster-tidy-"));
  try {
    for (const path of ["domain/plan.ts", "node_modules/a/index.ts", "dist/plan.ts"]) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), `${licence}export const start = Date.now();\n`);
    }
    const findings = rules["globals stay in the rooms that implement the ports"]?.(
      readTree(folder),
    );
    assert.deepEqual(
      findings?.map(({ path, line }) => ({ path, line })),
      [{ path: "domain/plan.ts", line: 2 }],
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
