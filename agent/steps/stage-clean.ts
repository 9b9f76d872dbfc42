// SPDX-License-Identifier: Apache-2.0
/**
 * Empties the inactive side. First the journal and the record beside the folder forget what it
 * held, then the content goes: a power cut in between leaves a side that nobody counts on.
 */
import assert from "node:assert/strict";
import { faultPoint } from "../../runtime/faults.ts";
import type { Side } from "../slots/slot-layout.ts";
import type { SlotState } from "../state/journal-state.ts";
import type { DiscardStep, StageCleanStep } from "./step.ts";
import { DONE } from "./step-context.ts";
import type { StepContext, StepExecutor } from "./step-context.ts";

export const runStageClean: StepExecutor<StageCleanStep> = async (context, step) => {
  await emptySide(context, step.side, "agent.stage-clean.middle");
  await context.files.makeFolder(context.layout.sideFolder(context.slot, step.side));
  return DONE;
};

export const runDiscard: StepExecutor<DiscardStep> = async (context, step) => {
  await emptySide(context, step.side, "agent.discard.middle");
  return DONE;
};

async function emptySide(context: StepContext, side: Side, point: string): Promise<void> {
  const { files, layout, slot, journal } = context;
  assert.notEqual(journal.slot(slot).active, side, "the active side is never emptied");
  if (journal.slot(slot).sides[side] !== null) {
    await journal.updateSlot(slot, (state) => forgetSide(state, side));
  }
  await files.remove(layout.sideRecord(slot, side));
  faultPoint(point);
  await files.remove(layout.sideFolder(slot, side));
  await files.makeFolder(layout.slotFolder(slot));
  await files.synchronise(layout.slotFolder(slot));
}

function forgetSide(state: SlotState, side: Side): SlotState {
  const previousGood = state.previousGood === side ? null : state.previousGood;
  return { ...state, previousGood, sides: { ...state.sides, [side]: null } };
}
