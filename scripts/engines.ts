// SPDX-License-Identifier: Apache-2.0
//
// `npm run test:engines`: the suites in test/engines/NAME against the real server NAME. A server
// that is missing is skipped by name, loudly; with MUSTER_ENGINES_REQUIRED=1 (CI) that is a
// failure. `npm run test:engines -- postgres` runs only those of that server.
//
// The last line says how many suites ran, on which servers, and what was skipped.

import { globSync } from "node:fs";
import { parseArgs } from "node:util";
import { SERVERS } from "./servers/all.ts";
import type { ServerKind } from "./servers/server.ts";
import { root, runStage } from "./stage.ts";

/** Bounds a test that hangs. */
const timeoutMs = 600_000;
/** Each suite starts a server of its own, and most of its time it waits for that one's disk. */
const concurrency = 2;

const { positionals } = parseArgs({ allowPositionals: true });
process.exitCode = await main(positionals);

interface Present {
  readonly server: ServerKind;
  readonly version: string;
  readonly files: readonly string[];
}

async function main(names: readonly string[]): Promise<number> {
  const unknown = names.filter((name) => !SERVERS.some((server) => server.name === name));
  if (unknown.length > 0) {
    console.error(`engines: there is no server ${unknown.join(" or ")}; see scripts/servers/.`);
    return 1;
  }
  const isRequired = process.env["MUSTER_ENGINES_REQUIRED"] === "1";
  const present: Present[] = [];
  const skipped: string[] = [];
  for (const server of SERVERS) {
    if (names.length > 0 && !names.includes(server.name)) continue;
    const found = await server.find();
    if (found.isFound) {
      console.error(`engines: ${server.title} ${found.version} in ${found.place}`);
      present.push({ server, version: found.version, files: suitesOf(server) });
      continue;
    }
    skipped.push(server.title);
    console.error(
      `engines: SKIPPED ${server.title}: ${found.missing}. ` +
        `Install it: node scripts/servers.ts install ${server.name}`,
    );
  }
  const hasPassed = await runSuites(present.flatMap(({ files }) => files));
  const suiteCount = present.reduce((sum, { files }) => sum + files.length, 0);
  const on = present.map(({ server, version }) => `${server.title} ${version}`).join(", ");
  console.error(
    `\nengines: ${suiteCount} suites ${hasPassed ? "ok" : "FAILED"}; ` +
      `engines: ${on || "none"}; skipped: ${skipped.join(", ") || "none"}`,
  );
  return hasPassed && !(isRequired && skipped.length > 0) ? 0 : 1;
}

function suitesOf({ name }: ServerKind): string[] {
  return globSync(`test/engines/${name}/**/*.test.ts`, { cwd: root }).toSorted();
}

async function runSuites(files: readonly string[]): Promise<boolean> {
  if (files.length === 0) return true;
  const options = [`--test-concurrency=${concurrency}`, `--test-timeout=${timeoutMs}`];
  const args = ["--test", ...options, ...files];
  return (await runStage({ name: "engines", command: process.execPath, args })).ok;
}
