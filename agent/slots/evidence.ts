// SPDX-License-Identifier: Apache-2.0
/**
 * The evidence of every slot: what hello and heartbeats say runs here. A digest is said only while
 * the tree that is linked measures what was recorded when it was sealed. Measured at start, around
 * every switch and periodically, together with the release's health check.
 *
 * | found | digest | health |
 * | --- | --- | --- |
 * | nothing is installed | "" | healthy |
 * | the tree is what was installed, health check passes | the manifest's | healthy |
 * | the same, health check fails | the manifest's | unhealthy |
 * | the same, not yet proven | the manifest's | unknown |
 * | the tree drifted, or cannot be measured, or has no record | "" | unhealthy |
 * | not measured since it was switched to | "" | unknown |
 *
 * Version and generation stay those of the record even on drift: they are for people. A slot that
 * was never written is absent.
 */
import type { Logger } from "../../ports/logger.ts";
import type { Slot, SlotStatus, SlotStatuses } from "../../protocol/device/status.ts";
import type { Files } from "../files/files.ts";
import type { ProcessRunner } from "../process/process-runner.ts";
import { activeRecord, knownSlots } from "../state/journal-state.ts";
import type { Journal } from "../state/journal.ts";
import { checkHealth } from "./health.ts";
import type { SideRecord } from "./side-record.ts";
import type { DataLayout, Side } from "./slot-layout.ts";
import { measureTree } from "./tree-digest.ts";

/** Good for as long as the same side with the same recorded tree is active. */
interface Measurement {
  readonly side: Side;
  readonly treeDigest: string;
  readonly isWhole: boolean;
  readonly isHealthy: boolean;
}

export class Evidence {
  readonly #files: Files;
  readonly #layout: DataLayout;
  readonly #journal: Journal;
  readonly #processes: ProcessRunner;
  readonly #logger: Logger;
  readonly #measurements = new Map<Slot, Measurement>();
  /** How many measurements of each slot have begun. */
  readonly #begun = new Map<Slot, number>();
  readonly #listeners = new Set<() => void>();
  #lastSaid = "";

  constructor(options: {
    files: Files;
    layout: DataLayout;
    journal: Journal;
    processes: ProcessRunner;
    logger: Logger;
  }) {
    this.#files = options.files;
    this.#layout = options.layout;
    this.#journal = options.journal;
    this.#processes = options.processes;
    this.#logger = options.logger;
  }

  statuses(): SlotStatuses {
    const statuses: { [slot in Slot]?: SlotStatus } = {};
    for (const slot of knownSlots(this.#journal.state)) statuses[slot] = this.status(slot);
    return statuses;
  }

  status(slot: Slot): SlotStatus {
    const state = this.#journal.slot(slot);
    if (state.active === "none") {
      return { digest: "", version: "", generation: state.emptyGeneration, health: "healthy" };
    }
    const record = activeRecord(state);
    const base = { version: record?.version ?? "", generation: record?.generation ?? 0 };
    if (record === null) return { digest: "", ...base, health: "unhealthy" };
    const measured = this.#measurements.get(slot);
    if (measured?.side !== state.active || measured.treeDigest !== record.treeDigest) {
      return { digest: "", ...base, health: "unknown" };
    }
    if (!measured.isWhole) return { digest: "", ...base, health: "unhealthy" };
    if (!record.proven) return { digest: record.digest, ...base, health: "unknown" };
    const health = measured.isHealthy ? "healthy" : "unhealthy";
    return { digest: record.digest, ...base, health };
  }

  /** Calls back when what is said has changed. Returns how to stop. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Measures what is active, and runs the health check of a proven release once. Several may run at
   * a time, for what is switched to is measured whatever a slow health check is at: the one that
   * began last counts.
   */
  async measure(slot: Slot, signal: AbortSignal): Promise<SlotStatus> {
    const number = (this.#begun.get(slot) ?? 0) + 1;
    this.#begun.set(slot, number);
    const { active, sides } = this.#journal.slot(slot);
    const record = active === "none" ? null : sides[active];
    if (active !== "none" && record !== null) {
      const isWhole = await this.isWhole(slot, active, signal);
      const isHealthy = isWhole && (await this.#isHealthy(slot, active, { record, signal }));
      const { treeDigest } = record;
      const isNewest = number === this.#begun.get(slot);
      if (isNewest) this.#measurements.set(slot, { side: active, treeDigest, isWhole, isHealthy });
    }
    this.announce();
    return this.status(slot);
  }

  /** Tells the listeners when what is said differs from what they were told last. */
  announce(): void {
    const said = JSON.stringify(this.statuses());
    if (said === this.#lastSaid) return;
    this.#lastSaid = said;
    for (const listener of this.#listeners) listener();
  }

  /** True when the side's tree measures what its record says. */
  async isWhole(slot: Slot, side: Side, signal: AbortSignal): Promise<boolean> {
    const record = this.#journal.slot(slot).sides[side];
    if (record === null) return false;
    const folder = this.#layout.sideFolder(slot, side);
    try {
      const measured = await measureTree({ files: this.#files, folder, signal });
      if (measured === record.treeDigest) return true;
      this.#logger.warn("A side no longer measures what was installed.", {
        slot,
        side,
        recorded: record.treeDigest,
        measured,
      });
    } catch (error) {
      signal.throwIfAborted();
      this.#logger.warn("A side cannot be measured; it counts as drifted.", { slot, side, error });
    }
    return false;
  }

  async #isHealthy(
    slot: Slot,
    side: Side,
    options: { record: SideRecord; signal: AbortSignal },
  ): Promise<boolean> {
    const { record, signal } = options;
    if (!record.proven || record.healthCheck === null) return true;
    const verdict = await checkHealth({
      processes: this.#processes,
      slot,
      folder: this.#layout.sideFolder(slot, side),
      check: record.healthCheck,
      signal,
    });
    if (verdict.kind === "healthy") return true;
    this.#logger.warn("The health check of what runs fails.", { slot, detail: verdict.detail });
    return false;
  }
}
