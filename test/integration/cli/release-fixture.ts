// SPDX-License-Identifier: Apache-2.0
/** A release to bundle, and the trust that it is signed into. */
import { writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { pack, type Header } from "tar-stream";
import { buffer } from "node:stream/consumers";
import { signFirstRoot } from "../../../center/identity/trust-signing.ts";
import { generateEd25519Pem, readEd25519Pem } from "../../../protocol/trust/ed25519.ts";
import { firstTargets, TARGETS_LIFETIME_MS } from "../../../protocol/trust/sign-targets.ts";
import type { TempDir } from "../../helpers/temp-dir.ts";

export type TarEntry = Partial<Header> & { readonly name: string; readonly content?: string };

/** A tar archive, compressed if asked. */
export async function tarOf(
  entries: readonly TarEntry[],
  options: { gzip: boolean },
): Promise<Buffer> {
  const tar = pack();
  for (const { content, ...header } of entries) {
    if (content === undefined) tar.entry(header);
    else tar.entry(header, content);
  }
  tar.finalize();
  const bytes = await buffer(tar);
  return options.gzip ? gzipSync(bytes) : bytes;
}

export const RELEASE_YAML = `apiVersion: muster/v1
kind: Release
metadata: { name: shop, version: 1.4.0 }
spec:
  slot: app
  fits: { hwRevision: [a, b] }
  artifacts:
    - { name: app, file: app.tar.gz }
    - { name: motd, file: motd.txt }
  steps:
    - { kind: archive, artifact: app }
    - { kind: file, artifact: motd, to: etc/motd, mode: "0644" }
    - { kind: command, run: [sh, -c, "echo one\\necho two"], timeout: 2m }
    - { kind: service, restart: shop }
  healthCheck: { run: [./bin/check], attempts: 5 }
`;

/** Writes the document and its files into the folder. */
export async function writeRelease(
  folder: TempDir,
  document: string = RELEASE_YAML,
): Promise<void> {
  const entries: TarEntry[] = [
    { name: "bin/", type: "directory" },
    { name: "bin/check", mode: 0o755, content: "#!/bin/sh\nexit 0\n" },
    { name: "bin/verify", type: "symlink", linkname: "../bin/check" },
  ];
  await writeFile(folder.join("app.tar.gz"), await tarOf(entries, { gzip: true }));
  await writeFile(folder.join("motd.txt"), "welcome\n");
  await writeFile(folder.join("release.yaml"), document);
}

export interface TestTrust {
  readonly root: Uint8Array;
  readonly targets: Uint8Array;
  /** Of the targets role. */
  readonly keyPem: string;
}

export function createTrust(nowMs: number): TestTrust {
  const keyPem = generateEd25519Pem();
  const key = (name: string): ReturnType<typeof readEd25519Pem> =>
    readEd25519Pem(generateEd25519Pem(), name);
  const targetsKey = readEd25519Pem(keyPem, "targets");
  const { bytes: root } = signFirstRoot({
    operatorKeys: { root: key("root"), targets: targetsKey },
    onlineKeys: { snapshot: key("snapshot"), timestamp: key("timestamp") },
    nowMs,
  });
  const targets = firstTargets({
    targets: [],
    key: targetsKey,
    expiresMs: nowMs + TARGETS_LIFETIME_MS,
  });
  return { root, targets, keyPem };
}
