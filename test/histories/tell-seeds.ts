// SPDX-License-Identifier: Apache-2.0
/**
 * A worker process: tells the histories of `count` seeds from `first` on and prints, as one line of
 * JSON, how they ended, what they met and what broke. `node tell-seeds.ts FIRST COUNT`
 */
import { Coverage } from "../../domain/testing/coverage.ts";
import { tellHistory } from "../../domain/testing/history.ts";
import { HistoryFailure } from "../../domain/testing/history-failure.ts";

/** One is enough to look at; some show whether they are alike. */
const MOST_FAILURES = 5;

export interface SeedsTold {
  readonly ends: { [state: string]: number };
  readonly deviceCount: number;
  readonly eventCount: number;
  readonly coverage: ReturnType<Coverage["toJSON"]>;
  readonly failures: readonly string[];
}

function tellSeeds(first: number, count: number): SeedsTold {
  const coverage = new Coverage();
  const ends: { [state: string]: number } = {};
  const failures: string[] = [];
  let deviceCount = 0;
  let eventCount = 0;
  for (let seed = first; seed < first + count && failures.length < MOST_FAILURES; seed++) {
    try {
      const told = tellHistory(seed, { coverage });
      for (const state of told.states) ends[state] = (ends[state] ?? 0) + 1;
      deviceCount += told.deviceCount;
      eventCount += told.eventCount;
    } catch (error) {
      if (!(error instanceof HistoryFailure)) throw error;
      failures.push(error.message);
    }
  }
  return { ends, deviceCount, eventCount, coverage: coverage.toJSON(), failures };
}

const [first = "0", count = "0"] = process.argv.slice(2);
process.stdout.write(JSON.stringify(tellSeeds(Number(first), Number(count))));
