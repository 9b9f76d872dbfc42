// SPDX-License-Identifier: Apache-2.0
/**
 * Releases for the agent's tests: a manifest and its blobs in a folder, as a gateway would have
 * them.
 */
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import type { Header } from "tar-stream";
import type { OfferPayload } from "../../../protocol/device/offer.ts";
import { releaseTarget } from "../../../protocol/device/release-manifest.ts";
import type {
  HealthCheck,
  InstallStep,
  ReleaseArtifact,
  ReleaseManifest,
} from "../../../protocol/device/release-manifest.ts";
import { chunkPath, compressChunk } from "../../../protocol/chunks/chunk.ts";
import { chunkBlob, softwareTar } from "../../helpers/chunked-blob.ts";

export const TENANT = "default";
export const DEVICE = "device-1";

export interface TarEntry {
  readonly header: Partial<Header> & { readonly name: string };
  readonly content?: string | Buffer;
}

/** A tar archive with exactly these entries, whatever they are. */
export async function tar(entries: readonly TarEntry[]): Promise<Buffer> {
  const packing = pack();
  for (const { header, content } of entries) packing.entry(header, content ?? "");
  packing.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of packing) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

export function sha256(bytes: string | Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

export interface FixtureRelease {
  readonly manifest: ReleaseManifest;
  readonly digest: string;
  readonly lengthBytes: number;
}

/** Publishes blobs and manifest into `blobFolder`. */
export async function publish(options: {
  blobFolder: string;
  version: string;
  artifacts: { readonly [name: string]: Buffer };
  steps: readonly InstallStep[];
  healthCheck?: HealthCheck;
  fits?: { readonly [fact: string]: readonly string[] };
  unpackedBytes?: number;
  isChunked?: boolean;
}): Promise<FixtureRelease> {
  const { blobFolder, version, steps, healthCheck } = options;
  await mkdir(blobFolder, { recursive: true });
  const artifacts: ReleaseArtifact[] = [];
  for (const [name, bytes] of Object.entries(options.artifacts)) {
    artifacts.push({
      name,
      sha256: sha256(bytes),
      lengthBytes: bytes.byteLength,
      unpackedBytes: options.unpackedBytes ?? 1_000_000,
      chunkIndex: options.isChunked === true ? await publishChunks(blobFolder, bytes) : null,
    });
    await writeFile(join(blobFolder, sha256(bytes)), bytes);
  }
  const manifest: ReleaseManifest = {
    schema: "muster.release/v1",
    tenant: TENANT,
    name: "app",
    version,
    slot: "app",
    fits: options.fits ?? {},
    artifacts,
    steps,
    ...(healthCheck === undefined ? {} : { healthCheck }),
  };
  const text = JSON.stringify(manifest);
  await writeFile(join(blobFolder, sha256(text)), text);
  return { manifest, digest: sha256(text), lengthBytes: Buffer.byteLength(text) };
}

/**
 * A healthy-by-default application: an archive with folders, a link, a program; a command; a file.
 */
export async function publishApp(options: {
  blobFolder: string;
  version: string;
  isHealthy?: boolean;
  services?: readonly string[];
}): Promise<FixtureRelease> {
  const { blobFolder, version, isHealthy = true, services = [] } = options;
  const archive = gzipSync(
    await tar([
      { header: { name: "bin/", type: "directory", mode: 0o755 } },
      { header: { name: "bin/app", mode: 0o755 }, content: `#!/bin/sh\necho ${version}\n` },
      { header: { name: "bin/latest", type: "symlink", linkname: "app" } },
      { header: { name: "share/text" }, content: `${version} `.repeat(20_000) },
      { header: { name: "share/copy", type: "link", linkname: "share/text" } },
    ]),
  );
  return publish({
    blobFolder,
    version,
    artifacts: { "app.tar.gz": archive, "app.conf": Buffer.from(`version=${version}\n`) },
    steps: [
      { kind: "archive", artifact: "app.tar.gz", to: "" },
      { kind: "file", artifact: "app.conf", to: "etc/app.conf", mode: "0600" },
      { kind: "command", run: ["/bin/sh", "-c", `echo built > built-by-command`] },
      ...services.map((restart): InstallStep => ({ kind: "service", restart })),
    ],
    healthCheck: {
      run: ["/bin/sh", "-c", isHealthy ? "test -x bin/app" : "echo sick; exit 3"],
      timeoutMs: 10_000,
      attempts: 1,
      intervalMs: 1,
    },
  });
}

/** An application in a chunked archive of half a megabyte; versions differ in one file of it. */
export async function publishChunkedApp(options: {
  blobFolder: string;
  version: string;
  isHealthy?: boolean;
}): Promise<FixtureRelease> {
  const { blobFolder, version, isHealthy = true } = options;
  const facts = { fileCount: 26, fileBytes: 20_000 };
  const common = await softwareTar({ seed: 9, ...facts });
  const own = await tar([{ header: { name: "version" }, content: version.repeat(2_000) }]);
  // A tar ends with two empty blocks: in front of them is room for one file more.
  const archive = Buffer.concat([common.subarray(0, -1_024), own]);
  return publish({
    blobFolder,
    version,
    artifacts: { "app.tar": archive },
    steps: [{ kind: "archive", artifact: "app.tar", to: "" }],
    healthCheck: {
      run: ["/bin/sh", "-c", isHealthy ? "test -s version" : "exit 3"],
      timeoutMs: 10_000,
      attempts: 1,
      intervalMs: 1,
    },
    isChunked: true,
  });
}

/** Index and chunks, where `folderSource` looks for them. */
async function publishChunks(
  blobFolder: string,
  blob: Buffer,
): Promise<{ sha256: string; lengthBytes: number }> {
  const { index, indexSha256, sha256: digest } = await chunkBlob(blob);
  await writeFile(join(blobFolder, indexSha256), index.bytes);
  for (let position = 0; position < index.count; position += 1) {
    const path = join(blobFolder, `${digest}.chunks`, indexSha256, chunkPath(index.id(position)));
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, compressChunk(blob.subarray(index.start(position), index.end(position))));
  }
  return { sha256: indexSha256, lengthBytes: index.bytes.length };
}

/** An offer of the release, or of emptiness. */
export function offerOf(release: FixtureRelease | null, generation: number): OfferPayload {
  return {
    type: "muster.offer/v1",
    tenant: TENANT,
    device: DEVICE,
    rollout: 7,
    rolloutName: "rollout-7",
    position: 3,
    generation,
    stopEpoch: 0,
    slot: "app",
    action: release === null ? "remove" : "install",
    ...(release === null
      ? {}
      : {
          release: {
            name: release.manifest.name,
            version: release.manifest.version,
            target: releaseTarget(TENANT, release.manifest.name, release.manifest.version),
            sha256: release.digest,
            lengthBytes: release.lengthBytes,
          },
        }),
    nonce: `nonce-of-generation-${generation}`,
    issuedAtMs: 0,
    expiresAtMs: 4_000_000_000_000,
  };
}
