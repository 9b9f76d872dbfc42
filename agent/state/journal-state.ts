// SPDX-License-Identifier: Apache-2.0
/**
 * What the agent knows about itself, as plain data. One file holds it (journal.ts), replaced whole
 * and atomically at every step boundary.
 *
 * An attempt goes: accepted → its steps, one after the other → `outcome` (decided, durable) → its
 * last report is in the outbox → gone from here, `answer` remains. A failure, or newer work, turns
 * it round: `undoing` says why, and `steps` are now the steps back.
 *
 * What runs is what the `current` link names; `active` is the journal's copy, brought in line with
 * the link at start (a power cut can fall between the two writes).
 */
import type { DeviceReport, ReportPhase, ReportReason } from "../../protocol/device/report.ts";
import type { OfferPayload } from "../../protocol/device/offer.ts";
import { SLOTS, type Slot } from "../../protocol/device/status.ts";
import type { ActiveSide, Side } from "../slots/slot-layout.ts";
import type { SideRecord } from "../slots/side-record.ts";
import type { Step } from "../steps/step.ts";

/** How an attempt ends on the device. */
export interface Outcome {
  readonly phase: "installed" | "failed" | "rolled-back" | "superseded";
  readonly reason?: ReportReason | undefined;
  readonly detail?: string | undefined;
  /** Of a command: as a report has them. */
  readonly exitCode?: number | undefined;
  readonly outputBytes?: number | undefined;
}

export interface AttemptState {
  readonly offer: OfferPayload;
  /** What ran, proven, when the attempt began; where a way back leads. */
  readonly from: ActiveSide;
  readonly steps: readonly Step[];
  /** The step that runs now or next. */
  readonly stepIndex: number;
  /**
   * The furthest step that was ever begun, and how often the agent started without getting beyond.
   */
  readonly furthestIndex: number;
  readonly startCount: number;
  /** The last phase said, or about to be said. */
  readonly phase: ReportPhase;
  readonly undoing: Outcome | null;
  readonly outcome: Outcome | null;
}

export interface SlotState {
  readonly active: ActiveSide;
  readonly sides: { readonly [side in Side]: SideRecord | null };
  /** The side that ran before the active one, still whole; null when there is none. */
  readonly previousGood: ActiveSide | null;
  readonly highestGeneration: number;
  /** Generation under which the slot is empty (after `remove`); counts while active is none. */
  readonly emptyGeneration: number;
  readonly attempt: AttemptState | null;
  /**
   * The last word on the newest generation that was answered: repeated when it is offered again.
   */
  readonly answer: DeviceReport | null;
}

export interface JournalState {
  readonly slots: { readonly [slot in Slot]?: SlotState | undefined };
}

export const EMPTY_SLOT: SlotState = {
  active: "none",
  sides: { a: null, b: null },
  previousGood: null,
  highestGeneration: 0,
  emptyGeneration: 0,
  attempt: null,
  answer: null,
};

export function slotOf(state: JournalState, slot: Slot): SlotState {
  return state.slots[slot] ?? EMPTY_SLOT;
}

/** The slots that the journal knows, in the protocol's order. */
export function knownSlots(state: JournalState): readonly Slot[] {
  return SLOTS.filter((slot) => state.slots[slot] !== undefined);
}

/** The record of what runs, or null. */
export function activeRecord(slot: SlotState): SideRecord | null {
  return slot.active === "none" ? null : slot.sides[slot.active];
}
