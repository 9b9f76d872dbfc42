// SPDX-License-Identifier: Apache-2.0
/**
 * Measures a pace in a process of its own, so that neither the garbage of the bench nor what the
 * other pace left behind is in it.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { SeededRandom } from "../../../simulator/swarm/seeded-random.ts";
import { measurePages, measureRows, type Pace } from "./floor.ts";

/** `batchReports`: 0 = bare SQLite, row by row; more: the Store, in batches of so many. */
export interface PaceJob {
  readonly folder: string;
  readonly deviceCount: number;
  readonly batchReports: number;
}

export async function measurePace(job: PaceJob): Promise<Pace> {
  const child = fork(import.meta.filename, [JSON.stringify(job)]);
  const [pace] = (await Promise.race([
    once(child, "message"),
    once(child, "exit").then(() => [null]),
  ])) as [Pace | null];
  if (pace === null) throw new Error("the process that measures a pace ended without it");
  return pace;
}

if (import.meta.main) {
  const { folder, deviceCount, batchReports } = JSON.parse(process.argv[2] ?? "") as PaceJob;
  const random = new SeededRandom({ seed: "bench", name: "pages" });
  const pace =
    batchReports === 0
      ? measureRows(folder, deviceCount)
      : await measurePages(folder, deviceCount, batchReports, () => random.next());
  process.send?.(pace);
}
