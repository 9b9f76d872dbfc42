// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { isMusterError } from "../errors.ts";
import { parseSelector, type Field, type Selector } from "./parser.ts";

const equals = (of: "region" | "site", value: string): Selector => ({
  kind: "in",
  field: { of },
  values: [value],
});
const a = equals("region", "a");
const b = equals("region", "b");
const c = equals("site", "c");

describe("the grammar", () => {
  const cases: { text: string; selector: Selector }[] = [
    { text: "", selector: { kind: "all" } },
    { text: " \t\r\n ", selector: { kind: "all" } },
    { text: "region = a", selector: a },
    { text: "region=a", selector: a },
    { text: 'region = "a"', selector: a },
    { text: "region != a", selector: { kind: "not", part: a } },
    { text: "id ~ till-*", selector: { kind: "matches", field: { of: "id" }, glob: "till-*" } },
    { text: "region in (a)", selector: a },
    {
      text: 'label.ring in (canary, "early birds")',
      selector: {
        kind: "in",
        field: { of: "label", name: "ring" },
        values: ["canary", "early birds"],
      },
    },
    { text: "region not in (a)", selector: { kind: "not", part: a } },
    {
      text: "inventory.hw-rev.board exists",
      selector: { kind: "exists", field: { of: "inventory", name: "hw-rev.board" } },
    },
    {
      text: "critical = true",
      selector: { kind: "in", field: { of: "critical" }, values: ["true"] },
    },
    {
      text: 'site = "say \\"hi\\" \\\\ there"',
      selector: equals("site", 'say "hi" \\ there'),
    },
    { text: "region = and", selector: equals("region", "and") },
    { text: "region = not", selector: equals("region", "not") },
  ];
  for (const { text, selector } of cases) {
    test(`${JSON.stringify(text)} is read`, () => {
      assert.deepEqual(parseSelector(text), selector);
    });
  }
});

describe("precedence", () => {
  const orOf = (...parts: Selector[]): Selector => ({ kind: "or", parts });
  const andOf = (...parts: Selector[]): Selector => ({ kind: "and", parts });
  const not = (part: Selector): Selector => ({ kind: "not", part });

  test("and binds closer than or", () => {
    assert.deepEqual(parseSelector("region=a or region=b and site=c"), orOf(a, andOf(b, c)));
    assert.deepEqual(parseSelector("region=a and region=b or site=c"), orOf(andOf(a, b), c));
  });

  test("not binds closest", () => {
    assert.deepEqual(parseSelector("not region=a and region=b"), andOf(not(a), b));
    assert.deepEqual(parseSelector("not not region=a"), not(not(a)));
  });

  test("parentheses come first", () => {
    assert.deepEqual(parseSelector("(region=a or region=b) and site=c"), andOf(orOf(a, b), c));
    assert.deepEqual(parseSelector("not (region=a or region=b)"), not(orOf(a, b)));
  });

  test("a chain of one word is one list", () => {
    assert.deepEqual(parseSelector("region=a or region=b or site=c"), orOf(a, b, c));
  });
});

const FIELDS = "fields are id, region, site, serviceLevel, critical, label.NAME and inventory.NAME";

describe("errors name the column", () => {
  const cases: { text: string; column: number; problem: string; hint?: string }[] = [
    {
      text: "region",
      column: 7,
      problem: "expected =, !=, ~, in, not in or exists, not the end of the selector",
    },
    {
      text: "region like eu",
      column: 8,
      problem: 'expected =, !=, ~, in, not in or exists, not "like"',
    },
    { text: "region = ", column: 10, problem: "expected a value, not the end of the selector" },
    { text: "region = (", column: 10, problem: 'expected a value, not "("' },
    { text: "colour = red", column: 1, problem: '"colour" is not a field', hint: FIELDS },
    { text: "label. = red", column: 1, problem: '"label." is not a field', hint: FIELDS },
    { text: "= red", column: 1, problem: 'expected a field, not "="', hint: FIELDS },
    {
      text: "region = eu and",
      column: 16,
      problem: "expected a field, not the end of the selector",
      hint: FIELDS,
    },
    { text: "(region = eu", column: 13, problem: 'the "(" at column 1 is not closed' },
    {
      text: "region = eu site = a",
      column: 13,
      problem: 'unexpected "site"',
      hint: 'join conditions with "and" or "or"',
    },
    {
      text: "region = eu)",
      column: 12,
      problem: 'unexpected ")"',
      hint: 'join conditions with "and" or "or"',
    },
    { text: "region in eu", column: 11, problem: 'expected "(" after "in"' },
    { text: "region in (eu us)", column: 15, problem: 'expected "," or ")" in the list' },
    { text: "region in (eu", column: 14, problem: 'expected "," or ")" in the list' },
    { text: "region in ()", column: 12, problem: 'expected a value, not ")"' },
    { text: 'region = "eu', column: 10, problem: "the string has no closing quote" },
    { text: "region = eu & site = a", column: 13, problem: 'unexpected character "&"' },
    { text: "region ! eu", column: 8, problem: 'unexpected character "!"' },
    { text: "x".repeat(8_193), column: 1, problem: "longer than 8192 characters" },
    { text: `${"(".repeat(64)}region=eu`, column: 65, problem: "nested deeper than 64" },
    { text: `${"not ".repeat(64)}region=eu`, column: 257, problem: "nested deeper than 64" },
  ];
  for (const { text, column, problem, hint } of cases) {
    test(`${JSON.stringify(text.slice(0, 24))}: ${problem}`, () => {
      assert.throws(() => parseSelector(text), {
        name: "MusterError",
        code: "invalid_argument",
        message: `selector, column ${column}: ${problem}`,
        detail: { field: "selector", line: 1, column, ...(hint === undefined ? {} : { hint }) },
      });
    });
  }

  test("and the line, where there is more than one", () => {
    assert.throws(() => parseSelector("region = eu\n  and colour = red"), {
      message: 'selector, line 2, column 7: "colour" is not a field',
      detail: { field: "selector", line: 2, column: 7, hint: FIELDS },
    });
    assert.throws(() => parseSelector("region = eu and\n(site = a\nor site = b"), {
      message: 'selector, line 3, column 12: the "(" at line 2, column 1 is not closed',
    });
  });

  test("63 levels are read", () => {
    const text = `${"(".repeat(63)}region=a${")".repeat(63)}`;
    assert.deepEqual(parseSelector(text), a);
  });
});

/** Plain objects, as the parser makes them. */
function record<Shape>(arbitraries: { [Key in keyof Shape]: fc.Arbitrary<Shape[Key]> }) {
  return fc.record<Shape>(arbitraries, { noNullPrototype: true });
}

const NAME = fc.stringMatching(/^[A-Za-z][A-Za-z0-9._-]{0,10}$/);
const FIELD: fc.Arbitrary<Field> = fc.oneof(
  fc
    .constantFrom("id", "region", "site", "serviceLevel", "critical")
    .map((of) => ({ of }) as const),
  record({ of: fc.constantFrom("label", "inventory"), name: NAME }),
);
const SELECTOR = fc.letrec<{ node: Selector }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 5, depthIdentifier: "selector" },
    record({
      kind: fc.constant("in" as const),
      field: FIELD,
      values: fc.array(fc.string(), { minLength: 1, maxLength: 3 }),
    }),
    record({ kind: fc.constant("matches" as const), field: FIELD, glob: fc.string() }),
    record({ kind: fc.constant("exists" as const), field: FIELD }),
    record({ kind: fc.constant("not" as const), part: tie("node") }),
    record({
      kind: fc.constantFrom("and" as const, "or" as const),
      parts: fc.array(tie("node"), { minLength: 2, maxLength: 3 }),
    }),
  ),
})).node;

function print(selector: Selector): string {
  switch (selector.kind) {
    case "all":
      return "";
    case "not":
      return `not (${print(selector.part)})`;
    case "and":
    case "or":
      return selector.parts.map((part) => `(${print(part)})`).join(` ${selector.kind} `);
    case "exists":
      return `${printField(selector.field)} exists`;
    case "matches":
      return `${printField(selector.field)} ~ ${quote(selector.glob)}`;
    case "in":
      return `${printField(selector.field)} in (${selector.values.map(quote).join(", ")})`;
  }
}

function printField(field: Field): string {
  return "name" in field ? `${field.of}.${field.name}` : field.of;
}

function quote(text: string): string {
  return `"${text.replaceAll(/["\\]/g, "\\$&")}"`;
}

describe("whatever is typed", () => {
  test("is read, or refused with a MusterError that points into the text", () => {
    const piece = fc.constantFrom(
      ...'region,label.a,and,or,not,in,exists,(,),=,!=,~,x,"y",",\\, ,,,\n,é,€'.split(","),
    );
    const typed = fc.oneof(
      fc.string({ unit: "binary", maxLength: 60 }),
      fc.array(piece, { maxLength: 20 }).map((pieces) => pieces.join(" ")),
    );
    fc.assert(
      fc.property(typed, (text) => {
        try {
          parseSelector(text);
        } catch (error) {
          assert(isMusterError(error), String(error));
          assert.equal(error.code, "invalid_argument");
          const { line = 0, column = 0 } = error.detail;
          const typedLine = text.split("\n")[line - 1];
          assert(typedLine !== undefined && column >= 1 && column <= typedLine.length + 1);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test("a selector that is printed reads back the same", () => {
    fc.assert(
      fc.property(SELECTOR, (selector) => {
        const text = print(selector);
        fc.pre(text.length <= 8_192);
        assert.deepEqual(parseSelector(text), selector);
      }),
      { numRuns: 500 },
    );
  });
});
