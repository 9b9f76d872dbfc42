// SPDX-License-Identifier: Apache-2.0
/**
 * What the operations of a journal add up to, device by device: how a swarm that was killed goes on
 * where it was. Pure; fed in the order of the journal.
 */
import type { DeviceReport, ReportPhase } from "../../protocol/device/report.ts";
import type { Slot } from "../../protocol/device/status.ts";
import { ActivationLedger } from "./activation-ledger.ts";
import type { DeviceMemory } from "./device-model.ts";
import type { Operation } from "./model-effects.ts";
import { ReportBox } from "./report-box.ts";
import { NOTHING } from "./slot-model.ts";
import type { SlotMemory } from "./slot-model.ts";

/** After these a device says nothing more of a generation. */
export const LAST_PHASES: ReadonlySet<ReportPhase> = new Set([
  "installed",
  "failed",
  "rolled-back",
  "rejected",
  "superseded",
]);

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

export class JournalReader {
  readonly #slots = new Map<Slot, Writable<SlotMemory>>();
  readonly #reports = new ReportBox();
  readonly #ledger = new ActivationLedger();
  readonly #exposedRollouts = new Set<number>();

  take(operation: Operation): void {
    if (operation.op === "ack") return this.#reports.acknowledge(operation);
    if (operation.op === "withdrawn") return; // Its answer is a report.
    const slot = this.#slot(operation.slot);
    switch (operation.op) {
      case "accept":
        slot.highestGeneration = operation.generation;
        slot.open = { offer: operation.offer, former: null };
        this.#exposedRollouts.add(operation.rollout);
        return;
      case "report":
        return this.#report(slot, operation.report);
      case "activate":
      case "restore":
        return this.#switch(slot, operation);
      default:
        return; // crash, lie, silent and confirm change nothing that a report would not say.
    }
  }

  /** Once, at the end. */
  memory(): DeviceMemory {
    return {
      slots: this.#slots,
      reports: this.#reports,
      activations: this.#ledger.activations,
      exposedRollouts: [...this.#exposedRollouts],
    };
  }

  #switch(
    slot: Writable<SlotMemory>,
    operation: Extract<
      Operation,
      { op: "activate" | "restore" | "confirm" | "lie" | "crash" | "silent" }
    >,
  ): void {
    const { digest, version, generation, rollout } = operation;
    const kind = operation.op === "activate" ? "activate" : "restore";
    this.#ledger.add({ kind, slot: operation.slot, digest, generation, rollout });
    const former = slot.running;
    if (kind === "activate") {
      if (former.digest !== "") slot.other = former;
      slot.running = { digest, version, generation, isProven: digest === "" };
      if (slot.open !== null) slot.open = { ...slot.open, former };
    } else {
      slot.running = slot.open?.former ?? NOTHING;
      slot.other = NOTHING;
      if (slot.open !== null) slot.open = { ...slot.open, former: null };
    }
  }

  #report(slot: Writable<SlotMemory>, report: DeviceReport): void {
    const isLast = LAST_PHASES.has(report.phase);
    this.#reports.repeat(report, isLast);
    if (!isLast) return;
    const { generation } = report;
    if (generation > (slot.answer?.generation ?? 0)) slot.answer = report;
    if (slot.open?.offer.generation !== generation) return;
    slot.open = null;
    const isTrue = report.digest === slot.running.digest;
    if (report.phase === "installed" && isTrue) {
      slot.running = { ...slot.running, generation, isProven: true };
    }
  }

  #slot(slot: Slot): Writable<SlotMemory> {
    const known = this.#slots.get(slot);
    if (known !== undefined) return known;
    const fresh = {
      highestGeneration: 0,
      running: NOTHING,
      other: NOTHING,
      answer: null,
      open: null,
    };
    this.#slots.set(slot, fresh);
    return fresh;
  }
}
