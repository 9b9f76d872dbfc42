// SPDX-License-Identifier: Apache-2.0
/**
 * Rebuilds the journal from the slot folders when it is lost. Nothing is believed without
 * measuring: a side counts when its record reads back and its tree has the digest that the record
 * names.
 *
 * What cannot be rebuilt is the attempt that was under way. If what runs was not yet proven and the
 * other side was, the link goes back to the proven side: nobody is left who would judge the new
 * one. The evidence then says what runs, and the center's deadline ends the attempt.
 */
import type { Logger } from "../../ports/logger.ts";
import { SLOTS, type Slot } from "../../protocol/device/status.ts";
import type { Files } from "../files/files.ts";
import { readSideRecord } from "../slots/side-record-file.ts";
import { SIDES } from "../slots/slot-layout.ts";
import type { ActiveSide, DataLayout, Side } from "../slots/slot-layout.ts";
import type { SideRecord } from "../slots/side-record.ts";
import { measureTree } from "../slots/tree-digest.ts";
import { readActiveLink } from "./active-link.ts";
import { EMPTY_SLOT } from "./journal-state.ts";
import type { JournalState, SlotState } from "./journal-state.ts";
import { readHighestGeneration } from "./slot-record.ts";

interface RebuildOptions {
  readonly files: Files;
  readonly layout: DataLayout;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

export async function rebuildJournal(options: RebuildOptions): Promise<JournalState> {
  const slots: { [slot in Slot]?: SlotState } = {};
  for (const slot of SLOTS) {
    if ((await options.files.facts(options.layout.slotFolder(slot))) === null) continue;
    slots[slot] = await rebuildSlot(options, slot);
  }
  return { slots };
}

async function rebuildSlot(options: RebuildOptions, slot: Slot): Promise<SlotState> {
  const { files, layout, logger } = options;
  const sides = {
    a: await believableRecord(options, slot, "a"),
    b: await believableRecord(options, slot, "b"),
  };
  const linked = await readActiveLink({ files, layout, slot });
  const active = safestSide(linked, sides);
  if (active !== linked) {
    logger.error(
      "What runs was never proven and its attempt is lost; going back to the other side.",
      {
        slot,
        from: linked,
        to: active,
      },
    );
    await files.switchLink({ path: layout.current(slot), target: active, point: "agent.rebuild" });
  }
  const generations = SIDES.map((side) => sides[side]?.generation ?? 0);
  const recorded = await readHighestGeneration({ files, layout, slot });
  return {
    ...EMPTY_SLOT,
    active,
    sides,
    highestGeneration: Math.max(recorded, ...generations),
    emptyGeneration: active === "none" ? recorded : 0,
  };
}

/** The linked side unless only the other one is proven. */
function safestSide(
  linked: ActiveSide,
  sides: { readonly [side in Side]: SideRecord | null },
): ActiveSide {
  if (linked === "none" || sides[linked]?.proven === true) return linked;
  const other = linked === "a" ? "b" : "a";
  return sides[other]?.proven === true ? other : linked;
}

async function believableRecord(
  options: RebuildOptions,
  slot: Slot,
  side: Side,
): Promise<SideRecord | null> {
  const { files, layout, logger, signal } = options;
  const read = await readSideRecord({ files, layout, slot, side });
  if (read === null) return null;
  if (read.kind === "corrupt") {
    logger.warn("A side's record does not read back; the side does not count.", {
      slot,
      side,
      why: read.why,
    });
    return null;
  }
  const folder = layout.sideFolder(slot, side);
  const whole =
    (await files.facts(folder)) !== null &&
    (await measureTree({ files, folder, signal })) === read.value.treeDigest;
  if (whole) return read.value;
  logger.warn("A side's content is not what its record says; the side does not count.", {
    slot,
    side,
  });
  return null;
}
