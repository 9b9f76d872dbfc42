// SPDX-License-Identifier: Apache-2.0
//
// `npm run build`, also run by npm before packing: writes dist/, the JavaScript that is published.
// Node strips types of a clone's files but refuses to under node_modules.
//
// dist/ mirrors the tree: dist/cli/main.js is cli/main.ts. Three things besides compiling keep it
// equivalent, so that no code needs to know where it runs:
// - files that are read at run time (.proto, .sql, .html, .json …) are copied beside the code;
// - `new URL("./worker.ts", import.meta.url)` becomes .js, which tsc does for imports only;
// - dist/package.json holds name, version and type, so `../package.json` from cli/ is there too.

import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { root, runStage } from "./stage.ts";

const output = join(root, "dist");

/** What a room may hold besides TypeScript that the running program reads. */
const assetGlob = "**/*.{proto,sql,html,css,js,svg,json,yaml,yml,rego,txt}";

/** A source file named at run time: a worker thread or a child process. */
const sourceUrl = /new URL\((["'])(\.[^"']*)\.ts\1,\s*import\.meta\.url\)/g;

process.exitCode = await main();

async function main(): Promise<number> {
  rmSync(output, { recursive: true, force: true });
  const { include } = JSON.parse(stripComments("tsconfig.build.json")) as { include: string[] };
  const rooms = include.map((pattern) => pattern.split("/")[0] as string);

  const compiled = await runStage({
    name: "build",
    command: "tsc",
    args: ["-p", "tsconfig.build.json"],
  });
  if (!compiled.ok) return 1;

  const files = globSync("**/*.js", { cwd: output });
  for (const file of files) pointUrlsAtJavaScript(join(output, file));
  const assetCount = copyAssets(rooms);
  writeManifest();
  console.error(`build: dist/ holds ${files.length} modules and ${assetCount} other files.`);
  return 0;
}

function pointUrlsAtJavaScript(path: string): void {
  const text = readFileSync(path, "utf8");
  const rewritten = text.replace(sourceUrl, "new URL($1$2.js$1, import.meta.url)");
  if (rewritten !== text) writeFileSync(path, rewritten);
}

/** Copies each room's other files to the same place under dist; returns how many. */
function copyAssets(rooms: readonly string[]): number {
  const assets = rooms.flatMap((room) =>
    globSync(`${room}/${assetGlob}`, {
      cwd: root,
      exclude: ["**/node_modules/**", "**/testdata/**"],
    }),
  );
  for (const asset of assets) {
    mkdirSync(dirname(join(output, asset)), { recursive: true });
    cpSync(join(root, asset), join(output, asset));
  }
  return assets.length;
}

function writeManifest(): void {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    name: string;
    version: string;
  };
  const { name, version } = manifest;
  const text = JSON.stringify({ name, version, type: "module", private: true }, null, 2);
  writeFileSync(join(output, "package.json"), `${text}\n`);
}

/** The text of a JSON file of the root without its whole-line comments. */
function stripComments(file: string): string {
  return readFileSync(join(root, file), "utf8").replace(/^\s*\/\/.*$/gm, "");
}
