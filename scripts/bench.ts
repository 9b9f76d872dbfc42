// SPDX-License-Identifier: Apache-2.0
//
// `npm run bench NAME [-- options]` runs bench/*/NAME.bench.ts on the pinned runtime.
// Without a name it lists what there is. JSON lines come on stdout, everything else on stderr.

import { globSync } from "node:fs";
import { basename } from "node:path";
import { root, runStage } from "./stage.ts";

const [name, ...options] = process.argv.slice(2);
process.exitCode = await main();

async function main(): Promise<number> {
  const benches = new Map(
    globSync(["bench/*/*.bench.ts"], { cwd: root }).map((file) => [
      basename(file, ".bench.ts"),
      file.replaceAll("\\", "/"),
    ]),
  );
  const file = name === undefined ? undefined : benches.get(name);
  if (file === undefined) {
    const problem = name === undefined ? "Name a bench" : `There is no bench ${name}`;
    console.error(`${problem}: ${[...benches.keys()].toSorted().join(", ")}.`);
    return 2;
  }
  const result = await runStage({
    name: `bench ${name}`,
    command: process.execPath,
    args: [file, ...options],
  });
  console.error(`bench ${name} ${result.ok ? "ok" : "FAILED"} in ${result.seconds.toFixed(1)} s`);
  return result.ok ? 0 : 1;
}
