// SPDX-License-Identifier: Apache-2.0
/**
 * Keeps the archives that a slot was installed from last, so that the next version's download finds
 * what has not changed. Costs their size on disk, no more: the next installation replaces them.
 * They are kept only while as much again is free, and given up when a download needs the space;
 * without them a download moves more, and nothing else is different.
 */
import { join } from "node:path";
import type { Logger } from "../../ports/logger.ts";
import { SLOTS, type Slot } from "../../protocol/device/status.ts";
import { faultPoint } from "../../runtime/faults.ts";
import type { Files } from "../files/files.ts";
import { indexBeside, type DataLayout } from "../slots/slot-layout.ts";
import type { DownloadStep, Step } from "../steps/step.ts";
import { openSource, type ChunkSource } from "./chunk-sources.ts";

export interface SeedTools {
  readonly files: Files;
  readonly layout: DataLayout;
  readonly logger: Logger;
}

/**
 * Moves the downloads of an attempt that succeeded to the slot's seeds, in the place of those that
 * are there. Its failure changes nothing; repeating it after a crash goes on.
 */
export async function keepSeeds(
  tools: SeedTools,
  slot: Slot,
  steps: readonly Step[],
): Promise<void> {
  const chunked = steps.filter(
    (step): step is DownloadStep => step.kind === "download" && step.chunkIndex !== undefined,
  );
  // A release without chunks takes nothing away: what is kept may still be like the next one.
  if (chunked.length === 0) return;
  try {
    await replaceSeeds(tools, slot, chunked);
  } catch (error) {
    tools.logger.warn("Archives could not be kept for the next download.", { slot, error });
  }
}

/** All seeds of all slots and all finished downloads, with their indexes in memory. */
export async function openSeeds(tools: SeedTools): Promise<ChunkSource[]> {
  const { files, layout, logger } = tools;
  const sources: ChunkSource[] = [];
  for (const folder of [...SLOTS.map((slot) => layout.seedFolder(slot)), layout.downloads]) {
    for (const name of (await files.list(folder)) ?? []) {
      if (!/^[0-9a-f]{64}$/.test(name)) continue;
      const source = await openSource(files, join(folder, name), logger);
      if (source !== null) sources.push(source);
    }
  }
  return sources;
}

/** Gives the space back. */
export async function dropSeeds(tools: SeedTools): Promise<void> {
  await tools.files.remove(tools.layout.seeds);
  tools.logger.info("Kept archives were removed: a download needs the space.", {});
}

async function replaceSeeds(
  tools: SeedTools,
  slot: Slot,
  artifacts: readonly DownloadStep[],
): Promise<void> {
  const { files, layout } = tools;
  const folder = layout.seedFolder(slot);
  const keptBytes = artifacts.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
  const isRoomy = (await files.freeBytes(layout.downloads)) >= keptBytes;
  const names = new Set<string>();
  if (isRoomy) await files.makeFolder(folder);
  for (const { sha256 } of isRoomy ? artifacts : []) {
    const from = layout.download(sha256);
    const to = join(folder, sha256);
    names.add(sha256).add(indexBeside(sha256));
    for (const [source, target] of [
      [indexBeside(from), indexBeside(to)],
      [from, to],
    ] as const) {
      if ((await files.facts(source)) !== null) await files.rename(source, target);
      faultPoint("agent.keep-seeds.middle");
    }
  }
  for (const name of (await files.list(folder)) ?? []) {
    if (!names.has(name)) await files.remove(join(folder, name));
  }
}
