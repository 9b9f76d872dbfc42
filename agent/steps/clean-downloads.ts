// SPDX-License-Identifier: Apache-2.0
/**
 * Removes downloads that no open attempt needs. It follows an attempt's end and its failure changes
 * nothing: the next end tries again.
 */
import { join } from "node:path";
import { faultPoint } from "../../runtime/faults.ts";
import { knownSlots } from "../state/journal-state.ts";
import type { StepTools } from "./step-context.ts";

export async function removeUnusedDownloads(
  tools: Pick<StepTools, "files" | "layout" | "journal" | "downloader" | "logger">,
): Promise<void> {
  const { files, layout, journal, downloader, logger } = tools;
  faultPoint("agent.clean-downloads.before");
  const needed = new Set<string>();
  for (const slot of knownSlots(journal.state)) {
    const { attempt } = journal.slot(slot);
    if (attempt?.offer.release !== undefined) needed.add(attempt.offer.release.sha256);
    for (const step of attempt?.steps ?? []) {
      if (step.kind !== "download") continue;
      needed.add(step.sha256);
      // While it is fetched, before it lies beside its artifact.
      if (step.chunkIndex !== undefined) needed.add(step.chunkIndex.sha256);
    }
  }
  try {
    for (const name of (await files.list(layout.downloads)) ?? []) {
      const digest = name.replace(/\.(?:part|caibx)$/, "");
      if (needed.has(digest) || digest === downloader.activeDigest()) continue;
      await files.remove(join(layout.downloads, name));
      faultPoint("agent.clean-downloads.middle");
    }
  } catch (error) {
    logger.warn("Old downloads could not be removed.", { error });
  }
  faultPoint("agent.clean-downloads.after");
}
