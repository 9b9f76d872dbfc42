// SPDX-License-Identifier: Apache-2.0
/**
 * The decision to keep what is active: its record becomes proven, then the journal has the outcome.
 * The journal's write is the moment of truth; a power cut before it repeats the health check.
 */
import { faultPoint } from "../../runtime/faults.ts";
import { writeSideRecord } from "../slots/side-record-file.ts";
import { activeRecord } from "../state/journal-state.ts";
import type { SlotState } from "../state/journal-state.ts";
import type { SideRecord } from "../slots/side-record.ts";
import type { CommitStep } from "./step.ts";
import { DONE } from "./step-context.ts";
import type { StepContext, StepExecutor } from "./step-context.ts";

export const runCommit: StepExecutor<CommitStep> = async (context) => {
  const { slot, journal, files, layout, offer } = context;
  const state = journal.slot(slot);
  const record = activeRecord(state);
  if (record === null || state.active === "none") {
    await journal.updateSlot(slot, (before) => decided(context, before, null));
    return DONE;
  }
  const proven: SideRecord = { ...record, proven: true, generation: offer.generation };
  await writeSideRecord({ files, layout, slot, side: state.active, record: proven });
  faultPoint("agent.commit.middle");
  await journal.updateSlot(slot, (before) => decided(context, before, proven));
  return DONE;
};

function decided(context: StepContext, state: SlotState, record: SideRecord | null): SlotState {
  const { attempt, active } = state;
  if (attempt === null) return state;
  const switched = attempt.from !== active;
  return {
    ...state,
    sides: active === "none" ? state.sides : { ...state.sides, [active]: record },
    previousGood: switched ? attempt.from : state.previousGood,
    emptyGeneration: active === "none" ? context.offer.generation : state.emptyGeneration,
    attempt: { ...attempt, outcome: { phase: "installed" } },
  };
}
