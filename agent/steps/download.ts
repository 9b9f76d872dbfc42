// SPDX-License-Identifier: Apache-2.0
/** Fetches one artifact; can be left and continued anywhere (the part stays). */
import type { DownloadStep } from "./step.ts";
import { DONE, failed } from "./step-context.ts";
import type { StepExecutor } from "./step-context.ts";

export const runDownload: StepExecutor<DownloadStep> = async (context, step) => {
  const { sha256, lengthBytes, chunkIndex } = step;
  const signal = context.interrupt;
  const request = { sha256, lengthBytes, chunkIndex, signal };
  const result = await context.downloader.download(request);
  return result.kind === "done" ? DONE : failed(result.reason, result.detail);
};
