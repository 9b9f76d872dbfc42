// SPDX-License-Identifier: Apache-2.0
/** A configuration as the release bundle that it is, and from there to the center, signed. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MusterError } from "../../domain/errors.ts";
import type { PublishReleaseResponse } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import type { Session } from "../client.ts";
import { toReleaseDocument } from "../documents/configuration-document.ts";
import { MAX_SECRET_BYTES, readBounded } from "../files.ts";
import type { Progress } from "../progress/progress.ts";
import type { Bundle } from "../release/bundle.ts";
import { buildBundle } from "../release/create-bundle.ts";
import { publishBundle } from "../release/publish-bundle.ts";
import { signBundle } from "../release/sign-bundle.ts";
import type { LoadedConfiguration } from "./configuration-content.ts";

/** Makes the bundle at `out`; throws what `buildBundle` throws. */
export async function bundleConfiguration(
  { source, document, content }: LoadedConfiguration,
  options: { readonly out: string; readonly signal: AbortSignal },
): Promise<Bundle> {
  return inTemporaryFolder(async (folder) => {
    const file = join(folder, "content");
    await writeFile(file, content.bytes);
    const release = toReleaseDocument(document, { file, to: content.to });
    return buildBundle({ source, document: release, files: [file], ...options });
  });
}

/** Signs and publishes it; `created` false: it was there already, with the same content. */
export async function publishConfiguration(options: {
  session: Session;
  loaded: LoadedConfiguration;
  keyFile: string | undefined;
  reason: string | undefined;
  progress: Progress;
  nowMs: number;
}): Promise<PublishReleaseResponse> {
  const { session, loaded, keyFile, reason, progress, nowMs } = options;
  if (keyFile === undefined) throw keyMissing(loaded);
  const { signal } = session.call;
  return inTemporaryFolder(async (folder) => {
    const bundle = await bundleConfiguration(loaded, { out: join(folder, "bundle"), signal });
    const keyPem = await readBounded(keyFile, {
      attempted: "reading the signing key",
      maxBytes: MAX_SECRET_BYTES,
    });
    const trust = await session.client.getTrust({}, session.call);
    await signBundle({
      bundle,
      trust: { rootBytes: trust.root, targetsBytes: trust.targets },
      keyPem: keyPem.toString("utf8"),
      keyFile,
      nowMs,
    });
    return publishBundle({ session, bundle, reason, progress });
  });
}

async function inTemporaryFolder<Value>(work: (folder: string) => Promise<Value>): Promise<Value> {
  const folder = await mkdtemp(join(tmpdir(), "muster-configuration-"));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function keyMissing({ source, document }: LoadedConfiguration): MusterError {
  const { name, version } = document.metadata;
  return new MusterError({
    code: "invalid_argument",
    message: `configuration ${name}@${version} is not signed, and no key is given to sign it`,
    detail: {
      file: source.file,
      hint:
        "add --key targets.key.pem; or, where the key is elsewhere: muster release create, " +
        "muster release sign, and apply the bundle",
    },
  });
}
