// SPDX-License-Identifier: Apache-2.0
/** Sends a signed bundle to the center: its artifacts, then manifest and signature. */
import { createReadStream } from "node:fs";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { isMusterError, MusterError } from "../../domain/errors.ts";
import type { ReleaseArtifact } from "../../protocol/device/release-manifest.ts";
import type {
  PublishReleaseResponse,
  UploadArtifactRequestSchema,
} from "../../protocol/gen/muster/v1/deploy_pb.ts";
import type { Session } from "../client.ts";
import type { Progress } from "../progress/progress.ts";
import { artifactPath, readBundleTargets, verifyArtifacts, type Bundle } from "./bundle.ts";
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
  for (const artifact of bundle.manifest.artifacts) {
    if (sent.has(artifact.sha256)) continue;
    sent.add(artifact.sha256);
    await uploadArtifact({ session, bundle, artifact, progress });
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

async function uploadArtifact(options: {
  session: Session;
  bundle: Bundle;
  artifact: ReleaseArtifact;
  progress: Progress;
}): Promise<void> {
  const { session, bundle, artifact, progress } = options;
  const bar = progress.bar(`upload ${artifact.name}`, artifact.lengthBytes, "bytes");
  const path = artifactPath(bundle.folder, artifact.sha256);
  const response = await session.client.uploadArtifact(
    uploadMessages(path, artifact, (byteCount) => bar.update(byteCount)),
    session.call,
  );
  bar.finish(response.alreadyThere ? "was there already" : "");
}

async function* uploadMessages(
  path: string,
  artifact: ReleaseArtifact,
  onSent: (byteCount: number) => void,
): AsyncGenerator<MessageInitShape<typeof UploadArtifactRequestSchema>> {
  const { sha256, lengthBytes } = artifact;
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
