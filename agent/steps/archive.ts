// SPDX-License-Identifier: Apache-2.0
/** Unpacks a downloaded archive into the staged side; unpack.ts says what is refused. */
import { unpack } from "./unpack.ts";
import type { ArchiveStep } from "./step.ts";
import { DONE, failed } from "./step-context.ts";
import type { StepExecutor } from "./step-context.ts";

export const runArchive: StepExecutor<ArchiveStep> = async (context, step) => {
  const { files, layout, slot, halt } = context;
  const result = await unpack({
    files,
    archive: layout.download(step.sha256),
    lengthBytes: step.lengthBytes,
    unpackedBytesMax: step.unpackedBytesMax,
    root: layout.sideFolder(slot, step.side),
    to: step.to,
    signal: halt,
  });
  return result.kind === "done" ? DONE : failed(result.reason, result.why);
};
