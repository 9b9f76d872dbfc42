// SPDX-License-Identifier: Apache-2.0
/** Sends a signed bundle to the center: its artifacts, then manifest and signature. */
import { createReadStream } from "node:fs";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { isMusterError, MusterError } from "../../domain/errors.ts";
import type {
  PublishReleaseResponse,
  UploadArtifactRequestSchema,
} from "../../protocol/gen/muster/v1/deploy_pb.ts";
import type { Session } from "../client.ts";
import type { Progress } from "../progress/progress.ts";
import {
  artifactPath,
  bundleFiles,
  readBundleTargets,
  verifyArtifacts,
  type Bundle,
  type BundleFile,
} from "./bundle.ts";
import { notSigned } from "./sign-bundle.ts";

/** The largest data message the API takes. */
const UPLOAD_CHUNK_BYTES = 262_144;

export async function publishBundle(options: {
  session: Session;
  bundle: Bundle;
  reason: string | undefined;
  progress: Progress;
}): Promise<PublishReleaseResponse> {
  const { session, bundle, progress } = options;
  const targets = await readBundleTargets(bundle.folder);
  if (targets === null) throw notSigned(bundle);
  await verifyArtifacts(bundle, session.call.signal);
  const sent = new Set<string>(); // Two artifacts may be the same bytes.
  for (const file of bundleFiles(bundle.manifest)) {
    if (sent.has(file.sha256)) continue;
    sent.add(file.sha256);
    await uploadFile({ session, bundle, file, progress });
  }
  try {
    return await session.client.publishRelease(
      {
        mutation: session.mutation(options.reason),
        tenant: bundle.manifest.tenant,
        manifest: bundle.manifestBytes,
        targets,
      },
      session.call,
    );
  } catch (error) {
    if (!isMusterError(error)) throw error;
    throw error.code === "conflict" ? signAgain(bundle, error) : located(bundle, error);
  }
}

async function uploadFile(options: {
  session: Session;
  bundle: Bundle;
  file: BundleFile;
  progress: Progress;
}): Promise<void> {
  const { session, bundle, file, progress } = options;
  const bar = progress.bar(`upload ${file.name}`, file.lengthBytes, "bytes");
  const path = artifactPath(bundle.folder, file.sha256);
  const response = await session.client.uploadArtifact(
    uploadMessages(path, file, (byteCount) => bar.update(byteCount)),
    session.call,
  );
  bar.finish(response.alreadyThere ? "was there already" : "");
}

async function* uploadMessages(
  path: string,
  file: BundleFile,
  onSent: (byteCount: number) => void,
): AsyncGenerator<MessageInitShape<typeof UploadArtifactRequestSchema>> {
  const { sha256, lengthBytes } = file;
  yield { kind: { case: "header", value: { sha256, lengthBytes: BigInt(lengthBytes) } } };
  let sentBytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: UPLOAD_CHUNK_BYTES })) {
    const data = chunk as Buffer;
    yield { kind: { case: "data", value: data } };
    sentBytes += data.length;
    onSent(sentBytes);
  }
}

/** The center's refusal, pointed at the bundle that it is about. */
function located(bundle: Bundle, cause: MusterError): MusterError {
  const { code, message, detail } = cause;
  return new MusterError({ code, message, detail: { file: bundle.folder, ...detail }, cause });
}

function signAgain(bundle: Bundle, cause: MusterError): MusterError {
  return new MusterError({
    code: "conflict",
    message: "the center's targets moved on since this bundle was signed",
    detail: {
      file: bundle.folder,
      hint: `sign it again: muster release sign ${bundle.folder} --key targets.key.pem`,
    },
    cause,
  });
}
