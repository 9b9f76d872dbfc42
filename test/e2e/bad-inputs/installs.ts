// SPDX-License-Identifier: Apache-2.0
/**
 * What a device refuses although center and gateway let it through: whoever has the operator's key
 * may sign anything, by other tools than ours. `muster release create` would refuse each of these.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ReleaseManifest } from "../../../protocol/device/release-manifest.ts";
import { tarOf, type TarEntry } from "../../integration/cli/release-fixture.ts";
import type { Area, BadInput } from "./bad-input.ts";
import { makeBundle, publish } from "./bundles.ts";
import { RELEASE, withLine } from "./sample-documents.ts";
import { AGENT, rollOut, type World } from "./world.ts";

interface BadRelease {
  readonly id: string;
  readonly title: string;
  readonly given: string;
  readonly version: string;
  readonly entries: readonly TarEntry[];
  /** What the manifest says, true or not. */
  readonly unpackedBytes: number;
}

/** Publishes a release with this archive, rolls it out to the device, and asks what came of it. */
function install(row: BadRelease): BadInput {
  const { id, title, version } = row;
  const name = `bad-${version}`;
  return {
    id,
    title,
    given: `${row.given}. Then \`muster get attempts ${name}\``,
    recordedBy: ["center", "gateway"],
    arrange: async (world, folder) => {
      const document = withLine(RELEASE, 5, `  version: ${version}`);
      await makeBundle(world, folder, { document, sign: false });
      const bundle = join(folder, `shop-${version}.muster`);
      await replaceArchive(bundle, await tarOf(row.entries, { gzip: true }), row.unpackedBytes);
      await publish(world, bundle);
    },
    act: (world, folder) => tryOut(world, folder, name, `shop@${version}`),
  };
}

/** The rollout to its end, and what `muster get attempts` says of it. */
export async function tryOut(
  world: World,
  folder: string,
  name: string,
  release: string,
): Promise<Awaited<ReturnType<BadInput["act"]>>> {
  await rollOut(world.installation, name, release, world.signal);
  const { stdout, status } = await world.muster(["get", "attempts", name], { folder });
  const [, row = ""] = stdout.split("\n");
  const generation = row.split(/\s+/)[3] ?? "";
  return { outcome: `exit status ${status}`, message: stdout, values: { generation } };
}

/** Puts another archive into a bundle, with the digest and length that it has. */
async function replaceArchive(
  bundle: string,
  archive: Buffer,
  unpackedBytes: number,
): Promise<void> {
  const file = join(bundle, "manifest.json");
  const manifest = JSON.parse(await readFile(file, "utf8")) as ReleaseManifest;
  const sha256 = createHash("sha256").update(archive).digest("hex");
  const artifacts = manifest.artifacts.map((artifact) => ({
    ...artifact,
    sha256,
    lengthBytes: archive.length,
    unpackedBytes,
  }));
  await rm(join(bundle, "artifacts"), { recursive: true });
  await mkdir(join(bundle, "artifacts"));
  await writeFile(join(bundle, "artifacts", sha256), archive);
  await writeFile(file, JSON.stringify({ ...manifest, artifacts }));
}

const ZEROS_BYTES = 8 * 2 ** 20;

export const INSTALLS: Area = {
  alone: true,
  title: "On the device",
  intro: `A release that was signed with the operator's key by other tools, so that nobody
before the device could know. \`${AGENT}\` runs what it ran before, and the rollout has the reason
on record.`,
  cases: [
    install({
      id: "device-bomb",
      title: "The manifest lies about what an archive unpacks to",
      given: "The manifest says 1,000 bytes, the archive holds 8 MiB",
      version: "2.0.0",
      entries: [{ name: "zeros", content: "\0".repeat(ZEROS_BYTES) }],
      unpackedBytes: 1_000,
    }),
    install({
      id: "device-parent",
      title: 'An archive leaves the slot by ".."',
      given: "The archive holds `../../evil`",
      version: "2.0.1",
      entries: [{ name: "../../evil", content: "x" }],
      unpackedBytes: 1_000,
    }),
    install({
      id: "device-link",
      title: "An archive links out of the slot",
      given: "It holds a link `etc` to `../../../etc`, and `etc/evil`",
      version: "2.0.2",
      entries: [
        { name: "etc", type: "symlink", linkname: "../../../etc" },
        { name: "etc/evil", content: "x" },
      ],
      unpackedBytes: 1_000,
    }),
  ],
};
