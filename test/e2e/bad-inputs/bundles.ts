// SPDX-License-Identifier: Apache-2.0
/** Release bundles for the cases, made by the command line as their author would. */
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { tarOf, type TarEntry } from "../../integration/cli/release-fixture.ts";
import type { MusterResult } from "../../integration/cli/run-muster.ts";
import { RELEASE } from "./sample-documents.ts";
import type { World } from "./world.ts";

const ENTRIES: readonly TarEntry[] = [{ name: "VERSION", content: "1.2.0\n" }];

/** Writes the sample release and its archive of `entries`. */
export async function writeRelease(
  folder: string,
  options: { entries?: readonly TarEntry[]; document?: string } = {},
): Promise<void> {
  const { entries = ENTRIES, document = RELEASE } = options;
  await writeFile(join(folder, "app.tar.gz"), await tarOf(entries, { gzip: true }));
  await writeFile(join(folder, "release.yaml"), document);
}

/** Makes the bundle of `writeRelease`, and signs it unless told otherwise. */
export async function makeBundle(
  world: World,
  folder: string,
  options: { document?: string; entries?: readonly TarEntry[]; sign?: boolean } = {},
): Promise<void> {
  await writeRelease(folder, options);
  await runWell(world, folder, ["release", "create", "release.yaml"]);
  if (options.sign !== false) await signBundle(world, folder);
}

/** Signs the one bundle of the folder with the operator's key. */
export async function signBundle(world: World, folder: string): Promise<void> {
  const key = world.installation.targetsKeyFile;
  await runWell(world, folder, ["release", "sign", await bundleIn(folder), "--key", key]);
}

/** Signs the one bundle of the folder and publishes it. */
export async function publishBundle(world: World, folder: string): Promise<void> {
  await signBundle(world, folder);
  await runWell(world, folder, ["apply", "-f", await bundleIn(folder)]);
}

/** A command that must not fail. */
export async function runWell(
  world: World,
  folder: string,
  words: readonly string[],
): Promise<MusterResult> {
  const result = await world.muster(words, { folder });
  if (result.status === 0) return result;
  throw new Error(`muster ${words.join(" ")}: ${result.stderr}`);
}

async function bundleIn(folder: string): Promise<string> {
  const [bundle = ""] = (await readdir(folder)).filter((name) => name.endsWith(".muster"));
  return bundle;
}
