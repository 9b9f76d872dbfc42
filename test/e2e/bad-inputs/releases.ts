// SPDX-License-Identifier: Apache-2.0
/** What may be wrong with a release on its way from the author's files to the center. */
import { copyFile, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { generateEd25519Pem } from "../../../protocol/trust/ed25519.ts";
import type { TarEntry } from "../../integration/cli/release-fixture.ts";
import { command, type Area, type BadCommand, type BadInput } from "./bad-input.ts";
import { makeBundle, writeRelease } from "./bundles.ts";
import { RELEASE, withLine } from "./sample-documents.ts";

/** `muster release create` of the sample with one line replaced. */
function wrongLine(id: string, title: string, number: number, line: string): BadInput {
  return command({
    id,
    title,
    words: "release create release.yaml",
    where: `line ${number} is: ${line.trim()}`,
    arrange: (_world, folder) =>
      writeRelease(folder, { document: withLine(RELEASE, number, line) }),
  });
}

/** `muster release create` of the sample with an archive of these entries. */
function wrongArchive(
  id: string,
  title: string,
  where: string,
  entries: readonly TarEntry[],
): BadInput {
  return command({
    id,
    title,
    words: "release create release.yaml",
    where,
    arrange: (_world, folder) => writeRelease(folder, { entries }),
  });
}

/** `muster apply` of a bundle that is made first. */
function wrongBundle(
  row: Pick<BadCommand, "id" | "title" | "where" | "captures" | "token" | "alone"> & {
    words?: string;
    arrange: NonNullable<BadCommand["arrange"]>;
  },
): BadInput {
  return command({ words: "apply -f shop-1.2.0.muster", ...row });
}

const TAKEN = withLine(RELEASE, 5, "  version: 1.0.0");

const BOMB_BYTES = 68 * 2 ** 20;

export const RELEASES: Area = {
  title: "Releases",
  intro: `\`release.yaml\` is this, but for the line that each case names:

\`\`\`yaml
${RELEASE.trimEnd()}
\`\`\`

A device checks archives and signatures again: see [on the device](#on-the-device).`,
  cases: [
    wrongLine("release-version", "The version is not semantic", 5, "  version: 1.2"),
    wrongLine("release-version-text", "The version has a letter in front", 5, "  version: v1.2.0"),
    wrongLine(
      "artifact-missing",
      "The artifact's file is missing",
      9,
      "    - { name: app, file: app.tgz }",
    ),
    wrongLine(
      "artifact-unknown",
      "A step names no artifact",
      11,
      "    - { kind: archive, artifact: ap }",
    ),
    wrongLine(
      "step-unknown",
      "The kind of a step is misspelt",
      11,
      "    - { kind: archiv, artifact: app }",
    ),
    wrongLine(
      "step-leaves",
      "A step leaves the slot",
      11,
      "    - { kind: archive, artifact: app, to: ../etc }",
    ),
    wrongArchive(
      "archive-parent",
      'An archive leaves its folder by ".."',
      "the archive has the entry ../evil",
      [
        { name: "VERSION", content: "1" },
        { name: "../evil", content: "x" },
      ],
    ),
    wrongArchive(
      "archive-absolute",
      "An archive has an absolute path",
      "the archive has the entry /etc/evil",
      [{ name: "/etc/evil", content: "x" }],
    ),
    wrongArchive(
      "archive-link",
      "An archive has a link that leads out",
      "the archive has a link config to ../../etc",
      [{ name: "config", type: "symlink", linkname: "../../etc" }],
    ),
    wrongArchive(
      "archive-below-link",
      "An archive writes through its own link",
      "the archive has a link a to b, and a/evil",
      [
        { name: "b/", type: "directory" },
        { name: "a", type: "symlink", linkname: "b" },
        { name: "a/evil", content: "x" },
      ],
    ),
    wrongArchive(
      "archive-setuid",
      "An archive has a setuid program",
      "the archive has bin/su with mode 4755",
      [{ name: "bin/su", mode: 0o4755, content: "x" }],
    ),
    wrongArchive(
      "archive-bomb",
      "An archive is a decompression bomb",
      "68 MiB of zeros are packed to less than 100 KiB",
      [{ name: "zeros", mtime: new Date(0), content: "\0".repeat(BOMB_BYTES) }],
    ),
    command({
      id: "archive-none",
      title: "The file is no archive",
      words: "release create release.yaml",
      where: "app.tar.gz is compressed text",
      arrange: async (_world, folder) => {
        await writeRelease(folder);
        await writeFile(join(folder, "app.tar.gz"), gzipSync("not a tar archive"));
      },
    }),
    wrongBundle({
      id: "bundle-there",
      title: "The bundle exists already",
      words: "release create release.yaml",
      where: "a second time",
      arrange: (world, folder) => makeBundle(world, folder, { sign: false }),
    }),
    wrongBundle({
      id: "bundle-unsigned",
      title: "The bundle is not signed",
      arrange: (world, folder) => makeBundle(world, folder, { sign: false }),
    }),
    wrongBundle({
      id: "signature-key",
      title: "The key is not the operator's",
      words: "release sign shop-1.2.0.muster --key other.key.pem",
      arrange: async (world, folder) => {
        await makeBundle(world, folder, { sign: false });
        await writeFile(join(folder, "other.key.pem"), generateEd25519Pem(), { mode: 0o600 });
      },
    }),
    wrongBundle({
      id: "signature-wrong",
      title: "The signature does not verify",
      where: "a byte of the signature in targets.json was changed",
      arrange: async (world, folder) => {
        await makeBundle(world, folder);
        const file = join(folder, "shop-1.2.0.muster", "targets.json");
        const text = await readFile(file, "utf8");
        const changed = text.replace(
          /"sig":"(.)/,
          (_, first: string) => `"sig":"${first === "0" ? "1" : "0"}`,
        );
        await writeFile(file, changed);
      },
    }),
    wrongBundle({
      id: "digest-wrong",
      title: "An artifact was changed after the bundle was made",
      captures: {
        artifact: /artifacts\/([0-9a-f]{64})/,
        changed: /with SHA-256 ([0-9a-f]{64})/,
        bytes: /it has (\d+) bytes/,
      },
      arrange: async (world, folder) => {
        await makeBundle(world, folder);
        const artifacts = join(folder, "shop-1.2.0.muster", "artifacts");
        const [name = ""] = await readdir(artifacts);
        const bytes = await readFile(join(artifacts, name));
        bytes[bytes.length - 9] = (bytes[bytes.length - 9] ?? 0) ^ 1;
        await writeFile(join(artifacts, name), bytes);
      },
    }),
    wrongBundle({
      id: "manifest-changed",
      title: "The manifest was changed after it was signed",
      arrange: async (world, folder) => {
        await makeBundle(world, folder);
        const file = join(folder, "shop-1.2.0.muster", "manifest.json");
        const text = await readFile(file, "utf8");
        await writeFile(file, text.replace('"fits":{}', '"fits":{"hwRevision":["x"]}'));
      },
    }),
    wrongBundle({
      id: "release-signed-again",
      title: "Other content is signed under a version that is taken",
      words: "release sign shop-1.0.0.muster --key {data}/center/operator/targets.key.pem",
      where: "shop 1.0.0 is published already",
      arrange: (world, folder) => makeBundle(world, folder, { document: TAKEN, sign: false }),
    }),
    wrongBundle({
      id: "release-changed",
      title: "Other content is published under a version that is taken",
      words: "apply -f shop-1.0.0.muster",
      where: "with the signature that was published with shop 1.0.0",
      arrange: async (world, folder) => {
        await makeBundle(world, folder, { document: TAKEN, sign: false });
        const published = world.installation.at("releases/shop-1.0.0/shop-1.0.0.muster");
        const signature = join("shop-1.0.0.muster", "targets.json");
        await copyFile(join(published, "targets.json"), join(folder, signature));
      },
    }),
    wrongBundle({
      id: "targets-moved",
      alone: true,
      title: "Somebody published since the bundle was signed",
      arrange: async (world, folder) => {
        await makeBundle(world, folder);
        await world.publishNext();
      },
    }),
    wrongBundle({
      id: "release-tenant",
      title: "The release is another tenant's",
      where: "with a token for the tenant default, of a release with tenant: other",
      token: (world) => world.tokens.operator,
      arrange: (world, folder) =>
        makeBundle(world, folder, {
          document: withLine(RELEASE, 4, "  name: shop\n  tenant: other"),
        }),
    }),
    command({
      id: "bundle-damaged",
      title: "The bundle's manifest is not JSON",
      words: "release verify shop-1.2.0.muster",
      arrange: async (world, folder) => {
        await makeBundle(world, folder);
        const bundle = join(folder, "shop-1.2.0.muster");
        await writeFile(join(bundle, "manifest.json"), "{ broken");
      },
    }),
    command({
      id: "bundle-artifact-missing",
      title: "The bundle lacks an artifact",
      words: "release verify shop-1.2.0.muster",
      captures: { artifact: /artifacts\/([0-9a-f]{64})/ },
      arrange: async (world, folder) => {
        await makeBundle(world, folder);
        const artifacts = join(folder, "shop-1.2.0.muster", "artifacts");
        const [name = ""] = await readdir(artifacts);
        await rename(join(artifacts, name), join(folder, "elsewhere"));
        await rm(join(folder, "elsewhere"));
      },
    }),
  ],
};
