// SPDX-License-Identifier: Apache-2.0
/** Blocks of V8's coverage, for the files of one parser. */
import { readFileSync } from "node:fs";
import type { Profiler } from "node:inspector/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "../../scripts/stage.ts";

export interface Blocks {
  readonly branches: number;
  readonly branchesMet: number;
  readonly missed: readonly string[];
}

export function blocksOf(
  files: readonly string[],
  scripts: readonly Profiler.ScriptCoverage[],
): Blocks {
  let branches = 0;
  const missed: string[] = [];
  for (const file of files) {
    const path = join(root, file);
    const url = pathToFileURL(path).href;
    const script = scripts.find((candidate) => candidate.url === url);
    if (script === undefined) throw new Error(`${file} was not loaded: correct its name`);
    const source = readFileSync(path, "utf8");
    for (const { ranges } of script.functions) {
      for (const { startOffset, count } of ranges) {
        branches += 1;
        if (count > 0) continue;
        missed.push(`${file}:${source.slice(0, startOffset).split("\n").length}`);
      }
    }
  }
  return { branches, branchesMet: branches - missed.length, missed };
}
