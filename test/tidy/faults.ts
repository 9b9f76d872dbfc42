// SPDX-License-Identifier: Apache-2.0
//
// Small trees with one fault each, and where and how the rule must report it. The licence line that
// each module gets in front is line 1.

/** A tree for one rule. */
export interface TidyCase {
  /** The rule's sentence in rules.ts. */
  rule: string;
  name: string;
  /** Text by path. */
  files: Readonly<Record<string, string>>;
}

/** A tree in which the rule finds one thing. */
export interface TidyFault extends TidyCase {
  /** How the report starts: path, line and the first words. */
  finding: string;
}

const rooms = "rooms import only the rooms below them";
const globals = "globals stay in the rooms that implement the ports";
const cycles = "imports form no cycle";
const used = "every file is used";
const missing = "every import names a file that exists";
const undeclared = "every imported package is declared";
const declared = "every declared package is used and pinned";
const lengths = "a file has at most 400 lines";
const columns = "a line has at most 100 columns";
const licences = "every file names its licence";
const names = "exports have names";
const machines = "no file holds a path of one machine";
const tests = "every test runs and none sleeps";
const links = "links in pages lead somewhere";

// In pieces, or this file would be reported.
const home = ["", "home", "ann"].join("/");
const temporary = ["", "tmp", "a"].join("/");

/** A module that imports one name. */
function importing(specifier: string): string {
  return `import { a } from "${specifier}";\nexport const b = a;\n`;
}

/** A tree of the one file that the finding starts with. */
function fault(rule: string, name: string, text: string, finding: string): TidyFault {
  return { rule, name, files: { [finding.slice(0, finding.indexOf(":"))]: text }, finding };
}

const roomFaults: TidyFault[] = [
  ["domain/plan.ts", "../ports/store.ts", "domain imports ports/store.ts, but may import no other"],
  ["domain/plan.ts", "node:fs", 'domain imports "node:fs"'],
  ["domain/plan.ts", "yaml", 'domain imports "yaml"'],
  ["protocol/codec.ts", "../engines/sqlite/store.ts", "protocol imports engines/sqlite/store.ts"],
  ["ports/store.ts", "../protocol/codec.ts", "ports imports protocol/codec.ts"],
  ["ports/store.ts", "../runtime/listen.ts", "ports imports runtime/listen.ts"],
  ["engines/sqlite/store.ts", "../embedded/log.ts", "An engine imports another"],
  ["engines/sqlite/store.ts", "../../center/main.ts", "engines imports center/main.ts"],
  ["engines/sqlite/store.ts", "../../protocol/codec.ts", "engines imports protocol/codec.ts"],
  ["runtime/listen.ts", "../protocol/codec.ts", "runtime imports protocol/codec.ts"],
  ["center/dispatch/lease.ts", "../../gateway/main.ts", "center imports gateway/main.ts"],
  ["gateway/main.ts", "../engines/sqlite/store.ts", "gateway names an engine outside its wiring"],
  ["agent/runner.ts", "../cli/output.ts", "agent imports cli/output.ts"],
  ["cli/commands/get.ts", "../../center/api/get.ts", "cli imports the inside of center"],
  ["simulator/world.ts", "../agent/runner.ts", "simulator imports agent/runner.ts"],
  ["simulator/world.ts", "../gateway/main.ts", "simulator imports gateway/main.ts"],
  ["center/main.ts", "../test/helpers/folder.ts", "center/main.ts imports test code"],
  ["center/main.ts", "./wiring.test.ts", "center/main.ts imports test code"],
  ["center/main.ts", "./wiring", '"./wiring" has no extension'],
].map(([path = "", specifier = "", words = ""]) =>
  fault(rooms, `${path} → ${specifier}`, importing(specifier), `${path}:2: ${words}`),
);

const globalFaults: TidyFault[] = [
  ["Date.now()", "the system's date"],
  ["new Date()", "the system's date"],
  ["Date()", "the system's date"],
  ["setTimeout(b, 1)", "setTimeout"],
  ["globalThis.setInterval(b, 1)", "setInterval"],
  ["performance.now()", "performance"],
  ["Math.random()", "Math.random"],
  ["process.env", "process.env"],
  ["process.exit(1)", "ending the process"],
  ["console.log(1)", "console"],
  ["`${Math.random()}`", "Math.random"],
].map(([expression = "", name = ""]) =>
  fault(
    globals,
    expression,
    `// A line.\nexport const a = ${expression};\n`,
    `gateway/pipeline/route.ts:3: ${name} is used here.`,
  ),
);

const testFaults: TidyFault[] = [
  "test.only('a', b);",
  "describe.skip('a', b);",
  "it.todo('a');",
  "test('a', { skip: true }, b);",
  "await sleep(100);",
  "await new Promise((resolve) => setTimeout(resolve, 100));",
  'import { scheduler } from "node:timers/promises";',
].map((line) => fault(tests, line, `${line}\n`, "domain/plan.test.ts:2: "));

export const faults: readonly TidyFault[] = [
  ...roomFaults,
  fault(rooms, "an unknown room", "export const a = 1;\n", "misc/a.ts:1: misc/ is no known room"),
  ...globalFaults,
  fault(globals, "a pure date", "export type A = Date;\n", "domain/a.ts:2: Date is used in a pure"),
  fault(globals, "timers", importing("node:timers/promises"), "agent/a.ts:2: "),
  ...testFaults,
  {
    rule: cycles,
    name: "three files",
    files: {
      "domain/a.ts": 'import type { B } from "./b.ts";\nexport type A = B;\n',
      "domain/b.ts": 'export type { C as B } from "./c.ts";\n',
      "domain/c.ts": 'export type C = import("./a.ts").A;\n',
    },
    finding:
      "domain/c.ts:2: Imports form a cycle: domain/a.ts → domain/b.ts → domain/c.ts → domain/a.ts.",
  },
  fault(missing, "a renamed file", importing("./gone.ts"), 'domain/a.ts:2: "./gone.ts" does not'),
  fault(used, "a left-over", "export const a = 1;\n", "domain/old.ts:1: Nothing imports this file"),
  {
    rule: undeclared,
    name: "a package of a package",
    files: { "package.json": "{}", "cli/a.ts": importing("@scope/left/pad") },
    finding: "cli/a.ts:2: @scope/left is not in package.json.",
  },
  {
    rule: undeclared,
    name: "a development tool in the published program",
    files: {
      "package.json": '{"devDependencies": {"mqtt": "1.0.0"}}',
      "cli/a.ts": importing("mqtt"),
    },
    finding: "cli/a.ts:2: mqtt is a devDependency",
  },
  {
    rule: declared,
    name: "an unused package",
    files: { "package.json": '{\n  "dependencies": {\n    "yaml": "1.0.0"\n  }\n}\n' },
    finding: "package.json:3: Nothing uses yaml.",
  },
  {
    rule: declared,
    name: "a range",
    files: {
      "package.json": '{"dependencies": {"yaml": "^1.0.0"}}',
      "cli/a.ts": importing("yaml"),
    },
    finding: 'package.json:1: yaml is "^1.0.0"',
  },
  fault(lengths, "401 lines", "a;\n".repeat(400), "cli/a.ts:401: The file has 401 lines"),
  fault(columns, "101 columns", `// ${"x".repeat(98)}\n`, "cli/a.ts:2: The line has 101 columns"),
  fault(columns, "in prose", `${"word ".repeat(21)}\n`, "docs/a.md:1: The line has 105 columns"),
  fault(licences, "none", "select 1;\n", "deploy/a.sql:1: The licence line is missing"),
  fault(names, "a default export", "export default 1;\n", "cli/a.ts:2: A default export."),
  fault(names, "renamed", "const a = 1;\nexport { a as default };\n", "cli/a.ts:3: A default"),
  fault(machines, "a home", `Open ${home}/muster.\n`, "docs/a.md:1: "),
  fault(machines, "a temporary folder", `const a = "${temporary}";\n`, "cli/a.ts:2: A fixed path"),
  fault(links, "a page", "\nSee [b](b.md).\n", 'docs/a.md:2: The link "b.md" leads nowhere.'),
  fault(links, "a heading", "# One\n[b](#two)\n", 'docs/a.md:2: docs/a.md has no heading "#two".'),
  fault(links, "a root", "[b](/docs/a.md)\n", 'docs/a.md:1: The link "/docs/a.md" starts at a'),
];
