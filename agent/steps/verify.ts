// SPDX-License-Identifier: Apache-2.0
/**
 * Reads every artifact back from the disk and compares digest and length: what is installed is what
 * the disk gives, which after a power cut need not be what was written. A damaged file is fetched
 * again, once.
 */
import { createHash } from "node:crypto";
import { faultPoint } from "../../runtime/faults.ts";
import type { ArtifactBytes, VerifyStep } from "./step.ts";
import { DONE, failed } from "./step-context.ts";
import type { StepContext, StepExecutor, StepResult } from "./step-context.ts";

export const runVerify: StepExecutor<VerifyStep> = async (context, step) => {
  for (const artifact of step.artifacts) {
    const result = await verifyArtifact(context, artifact);
    if (result.kind === "failed") return result;
  }
  return DONE;
};

async function verifyArtifact(context: StepContext, artifact: ArtifactBytes): Promise<StepResult> {
  if (await isWhole(context, artifact)) return DONE;
  context.logger.warn("A downloaded artifact is damaged on disk; fetching it again.", {
    sha256: artifact.sha256,
  });
  await context.files.remove(context.layout.download(artifact.sha256));
  const result = await context.downloader.download({ ...artifact, signal: context.interrupt });
  if (result.kind === "failed") return failed(result.reason, result.detail);
  if (await isWhole(context, artifact)) return DONE;
  return failed("digest-mismatch", `the disk does not give artifact ${artifact.sha256} back`);
}

async function isWhole(context: StepContext, artifact: ArtifactBytes): Promise<boolean> {
  const { files, layout, interrupt } = context;
  const path = layout.download(artifact.sha256);
  const facts = await files.facts(path);
  if (facts?.kind !== "file" || facts.sizeBytes !== artifact.lengthBytes) return false;
  const hash = createHash("sha256");
  faultPoint("agent.verify.middle");
  for await (const chunk of files.readChunks(path, 0)) {
    interrupt.throwIfAborted();
    hash.update(chunk);
  }
  return hash.digest("hex") === artifact.sha256;
}
