// SPDX-License-Identifier: Apache-2.0
/** Release bundles for the cases, by the code of `muster release create`, `sign` and `apply`. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readBundle, type Bundle } from "../../../cli/release/bundle.ts";
import { createBundle } from "../../../cli/release/create-bundle.ts";
import { publishBundle } from "../../../cli/release/publish-bundle.ts";
import { signBundle } from "../../../cli/release/sign-bundle.ts";
import { systemClock } from "../../../runtime/system-clock.ts";
import { tarOf, type TarEntry } from "../../integration/cli/release-fixture.ts";
import { RELEASE } from "./sample-documents.ts";
import { quietProgress, type World } from "./world.ts";

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

/** Makes `shop-VERSION.muster` of `writeRelease`, and signs it unless told otherwise. */
export async function makeBundle(
  world: World,
  folder: string,
  options: { document?: string; entries?: readonly TarEntry[]; sign?: boolean } = {},
): Promise<void> {
  await writeRelease(folder, options);
  const documentFile = join(folder, "release.yaml");
  const { signal } = world;
  const bundle = await createBundle({ documentFile, out: null, folder, signal });
  if (options.sign !== false) await sign(world, bundle);
}

/** Signs a bundle with the operator's key and publishes it. */
export async function publish(world: World, bundleFolder: string): Promise<void> {
  const bundle = await readBundle(bundleFolder);
  await sign(world, bundle);
  const { session } = world.installation;
  await publishBundle({ session, bundle, reason: "test", progress: quietProgress() });
}

async function sign(world: World, bundle: Bundle): Promise<void> {
  const { session, targetsKeyFile: keyFile } = world.installation;
  const { root, targets } = await session.client.getTrust({});
  const trust = { rootBytes: root, targetsBytes: targets };
  const keyPem = await readFile(keyFile, "utf8");
  await signBundle({ bundle, trust, keyPem, keyFile, nowMs: systemClock.wallMs() });
}
