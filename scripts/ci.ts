// SPDX-License-Identifier: Apache-2.0
//
// `npm run ci`: all that CI runs, in the order in which a fault is cheapest to find. Stops at the
// first stage that fails; each stage ends with a line that says how long it took.
//
// A stage whose subject does not exist yet in this tree is left out by name, never silently.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { root, runStage, type Stage } from "./stage.ts";

interface CiStage extends Stage {
  /** A path that must exist for the stage to make sense. */
  needs?: string;
}

const stages: readonly CiStage[] = [
  { name: "test", command: "npm", args: ["test"] },
  { name: "histories", command: "npm", args: ["run", "-s", "test:histories"] },
  { name: "simulation", command: "npm", args: ["run", "-s", "test:simulation"] },
  { name: "wire", command: "buf", args: ["lint"], needs: "buf.yaml" },
  { name: "package", command: "npm", args: ["run", "-s", "test:package"] },
  {
    name: "demo",
    command: "npm",
    args: ["run", "-s", "demo", "--", "--once", "--json"],
    needs: "cli/main.ts",
  },
  {
    name: "engines",
    command: "npm",
    args: ["run", "-s", "test:engines"],
    env: { MUSTER_ENGINES_REQUIRED: "1" },
  },
  { name: "chaos", command: "npm", args: ["run", "-s", "test:chaos"], needs: "test/chaos" },
];

process.exitCode = await main();

async function main(): Promise<number> {
  for (const stage of stages) {
    if (stage.needs !== undefined && !existsSync(join(root, stage.needs))) {
      console.error(`ci: ${stage.name} left out: there is no ${stage.needs}.`);
      continue;
    }
    console.error(`ci: ${stage.name}: ${stage.command} ${stage.args.join(" ")}`);
    const result = await runStage(stage);
    const verdict = result.ok ? "ok" : "FAILED";
    console.error(`ci: ${stage.name} ${verdict} in ${result.seconds.toFixed(1)} s`);
    if (!result.ok) return 1;
  }
  return 0;
}
