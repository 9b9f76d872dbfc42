// SPDX-License-Identifier: Apache-2.0
/**
 * Fetches one artifact, within the download window; can be left and continued anywhere (the part
 * stays), so a window that closes leaves it, and the next one goes on.
 */
import type { DownloadStep } from "./step.ts";
import { DONE, failed } from "./step-context.ts";
import type { StepContext, StepExecutor, StepResult } from "./step-context.ts";
import { untilWindowOpens, whenWindowCloses } from "./window-wait.ts";

export const runDownload: StepExecutor<DownloadStep> = async (context, step) => {
  for (;;) {
    await untilWindowOpens(context, "download");
    const result = await downloadWhileOpen(context, step);
    if (result !== null) return result;
  }
};

/** Null when the window closed. */
async function downloadWhileOpen(
  context: StepContext,
  { sha256, lengthBytes, chunkIndex }: DownloadStep,
): Promise<StepResult | null> {
  using closing = whenWindowCloses(context, "download");
  const signal = AbortSignal.any([context.interrupt, closing.signal]);
  try {
    const { rollout, bytesPerSecond } = context.offer;
    const request = { sha256, lengthBytes, chunkIndex, rollout, bytesPerSecond, signal };
    const result = await context.downloader.download(request);
    return result.kind === "done" ? DONE : failed(result.reason, result.detail);
  } catch (error) {
    if (closing.signal.aborted && !context.interrupt.aborted) return null;
    throw error;
  }
}
