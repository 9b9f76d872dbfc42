// SPDX-License-Identifier: Apache-2.0
/**
 * `npm run bench transfer [-- --quick]`: what an update from one published version of a package to
 * the next moves, and what it costs the device, over loopback HTTP:
 *
 * - ours: the agent's downloader, chunks as the center cuts them, the old archive as its seed;
 * - a plain download of the whole archive by the same downloader;
 * - Debian's casync with the same chunk sizes, its own store and index, the old archive as its seed
 *   (left out by name where it is not installed).
 *
 * Bytes are everything that went through the server's sockets, both ways. CPU is user and system
 * time: of the download alone for ours and for the plain one (an agent is running anyway), of the
 * whole process for casync, which is a short one.
 *
 * The archives come from `npm pack` and stay in a cache folder outside of the clone. `--quick`
 * takes the smallest pair only.
 */
import { parseArgs } from "node:util";
import { printFigure } from "../bench-line.ts";
import { measurePair, type Measured } from "./transfer/measure-pair.ts";
import { fetchPair, PAIRS, type Pair } from "./transfer/version-pairs.ts";

const { values } = parseArgs({ options: { quick: { type: "boolean", default: false } } });
for (const pair of values.quick ? PAIRS.slice(0, 1) : PAIRS) print(pair, await measure(pair));

async function measure(pair: Pair): Promise<Measured> {
  console.error(`transfer: ${pair.name} ${pair.from} → ${pair.to}`);
  return measurePair(await fetchPair(pair));
}

function print(pair: Pair, { archiveBytes, ours, plain, casync }: Measured): void {
  const common = { bench: "transfer", case: `${pair.name} ${pair.from} → ${pair.to}` };
  printFigure({ ...common, metric: "archive", value: archiveBytes, unit: "bytes" });
  const peers = [
    ["plain download", plain],
    ["casync", casync],
  ] as const;
  for (const [peer, theirs] of peers) {
    if (theirs === null) {
      console.error(`transfer: SKIPPED ${peer}: it is not installed`);
      continue;
    }
    const bytes = { metric: "bytes moved", unit: "bytes" };
    const cpu = { metric: "device CPU", unit: "ms" };
    printFigure({
      ...common,
      ...bytes,
      metric: `bytes moved by ${peer}`,
      value: theirs.movedBytes,
    });
    printFigure({ ...common, ...cpu, metric: `device CPU of ${peer}`, value: theirs.cpuMs });
    printFigure({
      ...common,
      ...bytes,
      value: ours.movedBytes,
      peer,
      ratio: ours.movedBytes / theirs.movedBytes,
    });
    printFigure({ ...common, ...cpu, value: ours.cpuMs, peer, ratio: ours.cpuMs / theirs.cpuMs });
  }
}
