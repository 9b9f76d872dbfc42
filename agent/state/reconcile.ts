// SPDX-License-Identifier: Apache-2.0
/**
 * Brings the journal in line with the disk at start. The link is what runs; a power cut between the
 * switch and the journal's next write leaves the two apart, and so does a person who moves the
 * link.
 */
import type { Logger } from "../../ports/logger.ts";
import type { Files } from "../files/files.ts";
import type { DataLayout } from "../slots/slot-layout.ts";
import { readActiveLink } from "./active-link.ts";
import { knownSlots } from "./journal-state.ts";
import type { Journal } from "./journal.ts";

/** Throws `corrupt` when a link leads somewhere else, and what the Files port throws. */
export async function reconcile(options: {
  files: Files;
  layout: DataLayout;
  journal: Journal;
  logger: Logger;
}): Promise<void> {
  const { files, layout, journal, logger } = options;
  for (const slot of knownSlots(journal.state)) {
    const linked = await readActiveLink({ files, layout, slot });
    const { active, attempt } = journal.slot(slot);
    if (linked === active) continue;
    if (attempt === null) {
      logger.warn("What runs was changed by someone else; the link counts.", {
        slot,
        journal: active,
        linked,
      });
    }
    await journal.updateSlot(slot, (state) => ({ ...state, active: linked }));
  }
}
