// SPDX-License-Identifier: Apache-2.0
/** docs/reference/mqtt.md names every statement of MQTT once, and tests that exist. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { root } from "../scripts/stage.ts";

const PAGE = "docs/reference/mqtt.md";

/** Sections of the specification with the numbers of their statements: `2.2.1-2..6`. */
const STATEMENTS = {
  "5.0": `1.5.4-1..3 1.5.5-1 1.5.7-1 2.1.3-1 2.2.1-2..6 2.2.2-1 3.1.0-1..2 3.1.2-1..30 3.1.3-1..12
    3.1.4-1..6 3.2.0-1..2 3.2.2-1..22 3.3.1-1..13 3.3.2-1..20 3.3.4-1..10 3.4.2-1..3 3.5.2-1..3
    3.6.1-1 3.6.2-1..3 3.7.2-1..3 3.8.1-1 3.8.3-1..5 3.8.4-1..8 3.9.2-1..2 3.9.3-1..2 3.10.1-1
    3.10.3-1..2 3.10.4-1..6 3.11.2-1..2 3.11.3-1..2 3.12.4-1 3.14.0-1 3.14.1-1 3.14.2-1..4
    3.14.4-1..3 3.15.1-1 3.15.2-1..3 4.1.0-1..2 4.2.0-1 4.3.1-1 4.3.2-1..5 4.3.3-1..13 4.4.0-1..2
    4.5.0-1..2 4.6.0-1..6 4.7.1-1..2 4.7.2-1 4.7.3-1..4 4.8.2-1..6 4.9.0-1..3 4.12.0-1..7
    4.12.1-1..2 4.13.1-1 4.13.2-1 6.0.0-1..4`,
  "3.1.1": `1.5.3-1..3 2.2.2-1..2 2.3.1-1..7 3.1.0-1..2 3.1.2-1..24 3.1.3-1..11 3.1.4-1..5 3.2.0-1
    3.2.2-1..6 3.3.1-1..12 3.3.2-1..3 3.3.4-1 3.3.5-1..2 3.6.1-1 3.8.1-1 3.8.3-1..4 3.8.4-1..6
    3.9.3-1..2 3.10.1-1 3.10.3-1..2 3.10.4-1..6 3.12.4-1 3.14.1-1 3.14.4-1..3 4.1.0-1..2 4.3.1-1
    4.3.2-1..2 4.3.3-1..2 4.4.0-1 4.5.0-1..2 4.6.0-1..6 4.7.1-1..3 4.7.2-1 4.7.3-1..4 4.8.0-1..2
    6.0.0-1..4 7.0.0-1..2 7.1.1-1 7.1.2-1`,
} as const;

const page = readFileSync(join(root, PAGE), "utf8");

/** The cells of the rows below `heading`, up to the next heading. */
function rowsBelow(heading: string): string[][] {
  const section = page.split(`${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  const lines = section.split("\n").filter((line) => line.startsWith("| "));
  return lines.slice(2).map((line) =>
    line
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim()),
  );
}

/** `3.2.2-6..7 4.9.0-1` → each number by itself. */
function numbers(list: string): string[] {
  return list
    .split(/\s+/)
    .filter((word) => word !== "")
    .flatMap((word) => {
      const match = /^([\d.]+)-(\d+)(?:\.\.(\d+))?$/.exec(word);
      assert.ok(match, `${word} is no number of a statement`);
      const [, section, first, last = first] = match;
      const count = Number(last) - Number(first) + 1;
      assert.ok(count > 0, `${word} is no range`);
      return Array.from({ length: count }, (_, index) => `${section}-${Number(first) + index}`);
    });
}

const served = rowsBelow("## Served");
const notServed = rowsBelow("## Not served");

describe(PAGE, () => {
  for (const [column, version] of (["5.0", "3.1.1"] as const).entries()) {
    test(`has each statement of MQTT ${version} once`, () => {
      const named = [...served, ...notServed].flatMap((cells) => numbers(cells[column] ?? ""));
      assert.deepEqual(named.toSorted(), numbers(STATEMENTS[version]).toSorted());
    });
  }

  test("names tests that exist", () => {
    const files = new Map(
      rowsBelow("# MQTT conformance").map(([name = "", link = ""]) => {
        const path = /\]\(\.\.\/\.\.\/([^)]+)\)/.exec(link)?.[1] ?? "";
        return [name, readFileSync(join(root, path), "utf8")];
      }),
    );
    assert.ok(served.length > 90);
    for (const [, , what, proof = ""] of served) {
      const at = proof.indexOf(": ");
      const text = files.get(proof.slice(0, at)) ?? "";
      assert.ok(text.includes(`"${proof.slice(at + 2)}"`), `${what}: no test “${proof}”`);
    }
  });
});
