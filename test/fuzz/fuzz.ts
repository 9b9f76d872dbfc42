// SPDX-License-Identifier: Apache-2.0
/**
 * Damaged inputs to every parser that faces a device: how many threw, and which part of the
 * parser's branches they met. A branch is a block of V8's coverage.
 */
import { Session } from "node:inspector/promises";
import { seededDraw } from "../../protocol/mqtt/testing/mutations.ts";

/** Counting blocks is slow, and new ones are met early: so many inputs are counted. */
const COUNTED_INPUTS_MAX = 300_000;
/** Of the blocks of a parser: the rest guards against bugs of the caller. */
export const BRANCHES_MET_MIN = 0.95;
/** Of inputs that threw, named by their seeds. */
const NAMED_SEEDS_MAX = 10;

export interface FuzzResult {
  readonly parser: string;
  readonly inputs: number;
  readonly throws: number;
  /** Of the first inputs that threw. */
  readonly seeds: readonly number[];
  readonly branches: number;
  readonly branchesMet: number;
  /** `path:line` of each block that no input met. */
  readonly missed: readonly string[];
}

/** Seeds `from` on, `count` for each parser whose name is in `only` (all, when it is empty). */
export async function fuzz(options: {
  count: number;
  from: number;
  only: readonly string[];
}): Promise<FuzzResult[]> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  // Before the parsers are compiled: V8 counts the blocks of what it compiles from here on.
  await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  const { PARSERS } = await import("./parsers.ts");
  const { blocksOf } = await import("./blocks.ts");
  const parsers = PARSERS.filter(
    ({ name }) => options.only.length === 0 || options.only.includes(name),
  );
  const runs = parsers.map((parser) => ({ parser, throws: 0, seeds: [] as number[] }));
  const run = (from: number, stop: number): void => {
    for (const one of runs) {
      for (let seed = from; seed < stop; seed += 1) {
        try {
          one.parser.feed(seededDraw(seed));
        } catch {
          one.throws += 1;
          if (one.seeds.length < NAMED_SEEDS_MAX) one.seeds.push(seed);
        }
      }
    }
  };
  const stop = options.from + options.count;
  const countedStop = Math.min(stop, options.from + COUNTED_INPUTS_MAX);
  run(options.from, countedStop);
  const { result } = await session.post("Profiler.takePreciseCoverage");
  await session.post("Profiler.stopPreciseCoverage");
  session.disconnect();
  run(countedStop, stop);
  return runs.map(({ parser, throws, seeds }) => ({
    parser: parser.name,
    inputs: options.count,
    throws,
    seeds,
    ...blocksOf(parser.files, result),
  }));
}
