// SPDX-License-Identifier: Apache-2.0
//
// `npm test`: the checks, then every test file but the suites that need time, a browser or other
// servers, which have commands of their own. `npm test -- domain test/integration/mqtt` runs only
// the test files whose path starts with one of those, without the checks.
//
// Files are found here and named one by one, because node's runner reports success for a pattern
// that matches nothing. Node's own closing lines stay the last ones of the tests; one line that
// sums everything up follows them.

import { globSync } from "node:fs";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { runChecks } from "./check.ts";
import { root, runStage, summarize } from "./stage.ts";

/** Suites with their own command; a path that names one explicitly runs it. */
const separateSuites = [
  "test/chaos/",
  "test/histories/",
  "test/package/",
  "test/browser/",
  "test/engines/",
];

/**
 * At least two files at once even on one core: tests with processes mostly wait. More than the
 * cores would stretch every deadline in those tests.
 */
const concurrency = Math.max(2, availableParallelism());

/** Bounds a test that hangs; the slowest, ten thousand histories, takes minutes. */
const timeoutMs = 1_200_000;

const { positionals } = parseArgs({ allowPositionals: true });
process.exitCode = await main(positionals.map((path) => path.replace(/^\.\//, "")));

async function main(prefixes: readonly string[]): Promise<number> {
  const files = selectFiles(prefixes);
  if (files === undefined) return 1;
  const results = prefixes.length === 0 ? await runChecks() : [];
  // A suite that kills processes in named moments has the machine to itself.
  const isAlone = files.every((file) => file.startsWith("test/chaos/"));
  const options = [
    `--test-concurrency=${isAlone ? 1 : concurrency}`,
    `--test-timeout=${timeoutMs}`,
  ];
  results.push(
    await runStage({
      name: `tests in ${files.length} files`,
      command: process.execPath,
      args: ["--test", ...options, ...files],
    }),
  );
  console.error(`\n${summarize(results)}`);
  return results.every((result) => result.ok) ? 0 : 1;
}

/** The test files to run, sorted; undefined, and a sentence on stderr, if a prefix matches none. */
function selectFiles(prefixes: readonly string[]): string[] | undefined {
  const all = globSync("**/*.test.ts", {
    cwd: root,
    exclude: ["**/node_modules/**", "dist/**"],
  })
    .map((file) => file.replaceAll("\\", "/"))
    .toSorted();
  if (prefixes.length === 0) {
    const files = all.filter((file) => !separateSuites.some((suite) => file.startsWith(suite)));
    if (files.length > 0) return files;
    console.error("No test file (*.test.ts) was found: the search or the checkout is broken.");
    return undefined;
  }
  const unmatched = prefixes.filter((prefix) => !all.some((file) => file.startsWith(prefix)));
  if (unmatched.length === 0) {
    return all.filter((file) => prefixes.some((prefix) => file.startsWith(prefix)));
  }
  console.error(`No test file starts with ${unmatched.join(" or ")}: name a folder or a file.`);
  return undefined;
}
