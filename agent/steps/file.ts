// SPDX-License-Identifier: Apache-2.0
/** Places one downloaded artifact as a file in the staged side. */
import { faultPoint } from "../../runtime/faults.ts";
import { judgeEntry } from "./archive-entry.ts";
import { TreeWriter } from "./tree-writer.ts";
import type { FileStep } from "./step.ts";
import { DONE, failed } from "./step-context.ts";
import type { StepExecutor } from "./step-context.ts";

export const runFile: StepExecutor<FileStep> = async (context, step) => {
  const { files, layout, slot, halt } = context;
  // The same rule for names as in archives: the manifest was checked too, but not on this disk.
  const verdict = judgeEntry({ name: step.to, type: "file", mode: step.mode }, "");
  if (verdict.kind !== "file") return failed("unsafe-archive", `${step.to} is no place for a file`);
  const writer = new TreeWriter({ files, root: layout.sideFolder(slot, step.side) });
  const file = await writer.file(verdict.path, verdict.mode);
  if (typeof file === "string") return failed("step-failed", file);
  try {
    for await (const chunk of files.readChunks(layout.download(step.sha256), 0)) {
      halt.throwIfAborted();
      await file.write(chunk);
      faultPoint("agent.file.middle");
    }
  } finally {
    await file.close();
  }
  return DONE;
};
