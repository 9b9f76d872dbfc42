// SPDX-License-Identifier: Apache-2.0
/** Pairs of published versions, as uncompressed archives in a cache folder. */
import { execFile } from "node:child_process";
import { access, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";

export interface Pair {
  readonly name: string;
  readonly from: string;
  readonly to: string;
}

/** Smallest first: a compiler, an editor, a client of very many services. */
export const PAIRS: readonly Pair[] = [
  { name: "typescript", from: "5.8.2", to: "5.8.3" },
  { name: "monaco-editor", from: "0.52.0", to: "0.52.2" },
  { name: "aws-sdk", from: "2.1691.0", to: "2.1692.0" },
];

const run = promisify(execFile);
const CACHE: string = join(
  process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"),
  "muster-bench",
  "packages",
);

/** Both archives, fetched by npm where the cache does not have them. */
export async function fetchPair({ name, from, to }: Pair): Promise<{ old: Buffer; new: Buffer }> {
  return { old: await fetchArchive(name, from), new: await fetchArchive(name, to) };
}

async function fetchArchive(name: string, version: string): Promise<Buffer> {
  const file = join(CACHE, `${name}-${version}.tar`);
  const isCached = await access(file).then(
    () => true,
    () => false,
  );
  if (!isCached) {
    await mkdir(CACHE, { recursive: true });
    const words = ["pack", `${name}@${version}`, "--pack-destination", CACHE, "--json"];
    const { stdout } = await run("npm", words, { maxBuffer: 64 * 2 ** 20 });
    const [packed] = JSON.parse(stdout) as { filename: string }[];
    const compressed = await readFile(join(CACHE, packed?.filename ?? ""));
    await writeFile(`${file}.partial`, gunzipSync(compressed));
    await rename(`${file}.partial`, file);
  }
  return readFile(file);
}
