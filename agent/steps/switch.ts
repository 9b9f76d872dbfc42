// SPDX-License-Identifier: Apache-2.0
/**
 * Changes what runs: one rename of the `current` link. The journal follows; where a power cut falls
 * between the two, the link is right and the journal is brought in line at the next start.
 */
import { isPlanted } from "../../runtime/faults.ts";
import type { SideRecord } from "../slots/side-record.ts";
import type { ActiveSide } from "../slots/slot-layout.ts";
import type { RollbackStep, SwitchStep } from "./step.ts";
import { DONE } from "./step-context.ts";
import type { StepContext, StepExecutor } from "./step-context.ts";

/**
 * What is switched to has to pass its health check, even if it once did: `proven` is earned again.
 */
export const runSwitch: StepExecutor<SwitchStep> = async (context, step) => {
  const { to } = step;
  const { journal, slot } = context;
  // Planted bug: the journal runs ahead of the link.
  if (isPlanted("agent.journal.ahead")) {
    await journal.updateSlot(slot, (state) => ({ ...state, active: to }));
  }
  await pointAt(context, to, "agent.switch");
  await journal.updateSlot(slot, (state) => ({
    ...state,
    active: to,
    sides: to === "none" ? state.sides : { ...state.sides, [to]: unproven(state.sides[to]) },
  }));
  return DONE;
};

export const runRollback: StepExecutor<RollbackStep> = async (context, step) => {
  await pointAt(context, step.to, "agent.rollback");
  await context.journal.updateSlot(context.slot, (state) => ({ ...state, active: step.to }));
  return DONE;
};

async function pointAt(context: StepContext, to: ActiveSide, point: string): Promise<void> {
  const { files, layout, slot } = context;
  const target = to === "none" ? null : to;
  await files.switchLink({ path: layout.current(slot), target, point });
}

function unproven(record: SideRecord | null): SideRecord | null {
  return record === null ? null : { ...record, proven: false };
}
