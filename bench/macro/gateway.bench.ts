// SPDX-License-Identifier: Apache-2.0
/**
 * `npm run bench gateway [-- --quick | --devices N --rounds N --seconds N --only NAME … --source |
 * --profile FOLDER]`: what a connection and a message cost one gateway, beside other servers on
 * the same load in the same run: mosquitto, aedes, bare Node, a goroutine and a thread a
 * connection.
 *
 * Each round runs each server once, as a process of its own; medians of the rounds are printed.
 * Ratios are ours divided by the peer's.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readOptions } from "./gateway/bench-options.ts";
import { printRuns } from "./gateway/figures.ts";
import { measureRun, type RunResult } from "./gateway/measure.ts";
import { muster } from "./gateway/muster-server.ts";
import { PEERS } from "./gateway/peers.ts";
import type { ServerKind } from "./gateway/server.ts";
import { buildMuster } from "./gateway/tools.ts";

const options = readOptions(process.argv.slice(2));
const kinds = await present([muster, ...PEERS]);
const published = await mkdtemp(join(tmpdir(), "muster-bench-published-"));
const program = options.fromSource ? "" : await buildMuster(published);
const runs = new Map<ServerKind, RunResult[]>(kinds.map((kind) => [kind, []]));
for (let round = 1; round <= options.rounds; round += 1) {
  for (const kind of kinds) {
    console.error(`round ${round}: ${kind.name}`);
    const folder = await mkdtemp(join(tmpdir(), "muster-bench-gateway-"));
    try {
      const result = await measureRun(kind, { ...options, folder, program });
      runs.get(kind)?.push(result);
      console.error(JSON.stringify(result));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
}
await rm(published, { recursive: true, force: true });
printRuns(options.deviceCount, new Map([...runs].map(([{ name }, results]) => [name, results])));

/** Those that can be measured here; what is missing is said, each by its name. */
async function present(all: readonly ServerKind[]): Promise<readonly ServerKind[]> {
  const found: ServerKind[] = [];
  for (const kind of all) {
    if (options.only.length > 0 && !options.only.includes(kind.name)) continue;
    const missing = await kind.prepare();
    if (missing === null) found.push(kind);
    else console.error(`SKIPPED ${kind.name}: ${missing}`);
  }
  return found;
}
