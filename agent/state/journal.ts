// SPDX-License-Identifier: Apache-2.0
/**
 * The agent's journal: one checksummed file, replaced atomically. A change counts when it is
 * durable: `update` returns after fsync and rename, and memory follows the disk, never the other
 * way round. Updates are applied one after the other.
 *
 * Fault points: `agent.journal.before`, `.middle` (written, not yet in place), `.after`.
 */
import type { Slot } from "../../protocol/device/status.ts";
import type { Logger } from "../../ports/logger.ts";
import type { Files } from "../files/files.ts";
import type { DataLayout } from "../slots/slot-layout.ts";
import { readChecksummed, writeChecksummed } from "./checksummed-text.ts";
import { rebuildJournal } from "./journal-rebuild.ts";
import { journalSchema, JOURNAL_SCHEMA_NAME, MAX_JOURNAL_BYTES } from "./journal-schema.ts";
import { slotOf } from "./journal-state.ts";
import type { AttemptState, JournalState, SlotState } from "./journal-state.ts";

export class Journal {
  readonly #files: Files;
  readonly #path: string;
  #state: JournalState;
  #writing: Promise<void>;

  constructor(options: { files: Files; path: string; state: JournalState }) {
    this.#files = options.files;
    this.#path = options.path;
    this.#state = options.state;
    this.#writing = Promise.resolve();
  }

  /** What is on disk. Never changed in place. */
  get state(): JournalState {
    return this.#state;
  }

  slot(slot: Slot): SlotState {
    return slotOf(this.#state, slot);
  }

  /** Replaces one slot's state. Throws what the Files port throws; nothing has changed then. */
  async updateSlot(slot: Slot, change: (state: SlotState) => SlotState): Promise<SlotState> {
    const written = this.#writing.then(async () => {
      const next = change(this.slot(slot));
      const state: JournalState = { slots: { ...this.#state.slots, [slot]: next } };
      const text = writeChecksummed(JOURNAL_SCHEMA_NAME, state);
      await this.#files.writeAtomically({ path: this.#path, text, point: "agent.journal" });
      this.#state = state;
      return next;
    });
    this.#writing = written.then(
      () => {},
      () => {}, // The caller has the error; the next update starts from what is on disk.
    );
    return written;
  }

  /** Replaces the attempt of a slot; it must have one. */
  async updateAttempt(
    slot: Slot,
    change: (attempt: AttemptState) => AttemptState,
  ): Promise<AttemptState> {
    const state = await this.updateSlot(slot, (before) => ({
      ...before,
      attempt: before.attempt === null ? null : change(before.attempt),
    }));
    if (state.attempt === null) throw new Error("assertion failed: the slot has no attempt");
    return state.attempt;
  }
}

/** The journal, and whether it had to be rebuilt from the slot folders. */
export interface OpenedJournal {
  readonly journal: Journal;
  readonly rebuilt: boolean;
}

/** Reads the journal; a missing or corrupt one is rebuilt from what the slot folders say. */
export async function openJournal(options: {
  files: Files;
  layout: DataLayout;
  logger: Logger;
  signal: AbortSignal;
}): Promise<OpenedJournal> {
  const { files, layout, logger, signal } = options;
  const path = layout.journal;
  const text = await files.readText(path, MAX_JOURNAL_BYTES);
  if (text !== null) {
    const read = readChecksummed({
      schemaName: JOURNAL_SCHEMA_NAME,
      schema: journalSchema,
      text,
    });
    if (read.kind === "ok") {
      return { journal: new Journal({ files, path, state: read.value }), rebuilt: false };
    }
    logger.error(
      "The journal does not read back as it was written; it is kept aside and rebuilt from the " +
        "slot folders, measuring each side. What was under way is forgotten.",
      { path, why: read.why, keptAs: `${path}.corrupt` },
    );
    await files.rename(path, `${path}.corrupt`);
  }
  const state = await rebuildJournal({ files, layout, logger, signal });
  const rebuilt = text !== null || Object.keys(state.slots).length > 0;
  if (rebuilt && text === null) {
    logger.error(
      "The journal is missing although slots exist; it was rebuilt from their folders.",
      {
        path,
      },
    );
  }
  return { journal: new Journal({ files, path, state }), rebuilt };
}
