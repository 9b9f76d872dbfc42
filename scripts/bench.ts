// SPDX-License-Identifier: Apache-2.0
//
// `npm run bench NAME [-- options]`: runs bench/micro/NAME.ts or bench/macro/NAME.ts, which prints
// JSON lines on stdout. Without a name, or with one that is not there, it lists what is.

import { globSync } from "node:fs";
import { basename } from "node:path";
import { root, runStage } from "./stage.ts";

const [name, ...options] = process.argv.slice(2);
const files = globSync("bench/{micro,macro}/*.ts", { cwd: root })
  .filter((file) => !file.endsWith(".test.ts"))
  .toSorted();
const file = files.find((candidate) => basename(candidate, ".ts") === name);

if (file === undefined) {
  const names = files.map((candidate) => basename(candidate, ".ts"));
  console.error(`bench: ${name === undefined ? "name a bench" : `there is no bench "${name}"`}.`);
  console.error(`bench: there are: ${names.join(", ") || "none"}.`);
  process.exitCode = 2;
} else {
  const { ok } = await runStage({
    name: file,
    command: process.execPath,
    args: [file, ...options],
  });
  process.exitCode = ok ? 0 : 1;
}
