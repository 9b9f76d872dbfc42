// SPDX-License-Identifier: Apache-2.0
//
// `npm run check`: what can be said about the source without running it. Types, lint, format. All
// three run even when one fails: whoever fixes one wants to see the others.

import { runStage, summarize, type Stage, type StageResult } from "./stage.ts";

const checks: readonly Stage[] = [
  { name: "types", command: "tsc", args: ["--noEmit", "-p", "tsconfig.json"] },
  { name: "lint", command: "oxlint", args: [] },
  { name: "format", command: "oxfmt", args: ["--check"] },
];

/** Runs every check, one after the other. */
export async function runChecks(): Promise<StageResult[]> {
  const results: StageResult[] = [];
  for (const check of checks) results.push(await runStage(check));
  return results;
}

if (import.meta.main) {
  const results = await runChecks();
  console.error(summarize(results));
  process.exitCode = results.every((result) => result.ok) ? 0 : 1;
}
