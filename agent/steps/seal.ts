// SPDX-License-Identifier: Apache-2.0
/**
 * Makes the staged side durable, measures it and records what it holds. From here on the side can
 * be switched to; before, nothing of it is believed after a power cut.
 */
import assert from "node:assert/strict";
import { faultPoint } from "../../runtime/faults.ts";
import { writeSideRecord } from "../slots/side-record-file.ts";
import type { SideRecord } from "../slots/side-record.ts";
import { measureTree, synchroniseTree } from "../slots/tree-digest.ts";
import type { SealStep } from "./step.ts";
import { DONE } from "./step-context.ts";
import type { StepExecutor } from "./step-context.ts";

export const runSeal: StepExecutor<SealStep> = async (context, step) => {
  const { files, layout, slot, offer, halt, journal } = context;
  assert(offer.release !== undefined, "only an install has a side to seal");
  const folder = layout.sideFolder(slot, step.side);
  await synchroniseTree({ files, folder, signal: halt });
  await files.synchronise(layout.slotFolder(slot));
  faultPoint("agent.seal.middle");
  const record: SideRecord = {
    release: offer.release.name,
    version: offer.release.version,
    digest: offer.release.sha256,
    treeDigest: await measureTree({ files, folder, signal: halt }),
    generation: offer.generation,
    proven: false,
    services: step.services,
    healthCheck: step.healthCheck,
  };
  await writeSideRecord({ files, layout, slot, side: step.side, record });
  await journal.updateSlot(slot, (state) => ({
    ...state,
    sides: { ...state.sides, [step.side]: record },
  }));
  return DONE;
};
