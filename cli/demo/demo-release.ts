// SPDX-License-Identifier: Apache-2.0
/**
 * Makes, signs and publishes a small release with a real archive, by the same code as `muster
 * release create`, `sign` and `apply`. Its health check fails on the hardware revision that it is
 * told to fail on, on real devices and pretended ones alike.
 */
import { createWriteStream } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { pack } from "tar-stream";
import type { Session } from "../client.ts";
import type { Progress } from "../progress/progress.ts";
import type { Bundle } from "../release/bundle.ts";
import { createBundle } from "../release/create-bundle.ts";
import { publishBundle } from "../release/publish-bundle.ts";
import { signBundle } from "../release/sign-bundle.ts";

export interface DemoRelease {
  readonly name: string;
  readonly version: string;
  /** Hardware revision on which its health check fails; "" = none. */
  readonly failsOn: string;
}

/** Returns the published bundle; its manifest's digest is what devices report. */
export async function publishDemoRelease(options: {
  session: Session;
  folder: string;
  keyFile: string;
  release: DemoRelease;
  progress: Progress;
  nowMs: number;
}): Promise<Bundle> {
  const { session, release, keyFile } = options;
  const folder = join(options.folder, `${release.name}-${release.version}`);
  await mkdir(folder, { recursive: true });
  await writeArchive(join(folder, "app.tar.gz"), release);
  const documentFile = join(folder, "release.yaml");
  await writeFile(documentFile, documentOf(release));
  const { signal } = session.call;
  const bundle = await createBundle({ documentFile, out: null, folder, signal });
  const trust = await session.client.getTrust({}, session.call);
  await signBundle({
    bundle,
    trust: { rootBytes: trust.root, targetsBytes: trust.targets },
    keyPem: await readFile(keyFile, "utf8"),
    keyFile,
    nowMs: options.nowMs,
  });
  await publishBundle({ session, bundle, reason: "demo", progress: options.progress });
  return bundle;
}

async function writeArchive(file: string, release: DemoRelease): Promise<void> {
  const archive = pack();
  archive.entry({ name: "VERSION" }, `${release.version}\n`);
  archive.entry({ name: "bin/shop", mode: 0o755 }, `#!/bin/sh\necho shop ${release.version}\n`);
  archive.entry({ name: "bin/health", mode: 0o755 }, HEALTH_SCRIPT);
  archive.finalize();
  await pipeline(archive, createGzip(), createWriteStream(file));
}

/** Exits 1 on the revision that its argument names: `--fails-on=hwRevision:rev-b`. */
const HEALTH_SCRIPT = `#!/bin/sh
set -eu
test -s VERSION
case "\${1:-}" in
  "--fails-on=hwRevision:\${MUSTER_INVENTORY_hwRevision:-}") exit 1 ;;
esac
exit 0
`;

function documentOf(release: DemoRelease): string {
  const failsOn = release.failsOn === "" ? "" : `, "--fails-on=hwRevision:${release.failsOn}"`;
  return `apiVersion: muster/v1
kind: Release
metadata: { name: ${release.name}, version: ${release.version} }
spec:
  slot: app
  artifacts:
    - { name: app, file: app.tar.gz }
  steps:
    - { kind: archive, artifact: app, to: . }
  healthCheck: { run: [sh, bin/health${failsOn}], timeout: 5s, attempts: 2, interval: 200ms }
`;
}
