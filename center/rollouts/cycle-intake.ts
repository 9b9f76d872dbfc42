// SPDX-License-Identifier: Apache-2.0
/**
 * The first half of a cycle of the rollout loop: what gateways have said (device states, hellos,
 * returned leases) and what the EventLog holds (reports) changes the tables and attempts in memory.
 */
import { SLOT_NAMES } from "../../domain/running-page.ts";
import { createReportCursor, type ReportSet } from "../ingest/report-record.ts";
import type { FleetTable } from "../state/fleet-table.ts";
import type { DetailWrite } from "./cycle-commit.ts";
import type { LeaseDesk } from "./lease-desk.ts";
import type { InboxItem, StatesItem } from "./loop-inbox.ts";
import type { LoopState } from "./loop-state.ts";

/** What became of a report. */
export type ReportOutcome = "changed" | "duplicate" | "stale" | "foreign";

export interface CycleIntake {
  readonly state: LoopState;
  readonly fleet: FleetTable;
  readonly desk: LeaseDesk;
  readonly isPlanted: (name: string) => boolean;
}

/** What devices run, and who said hello. */
export function applyStates(intake: CycleIntake, items: readonly InboxItem[]): void {
  const { fleet } = intake;
  const { running } = intake.state;
  for (const item of items) {
    if (item.kind === "states") applyStateBatch(intake, item);
    if (item.kind !== "hello" || fleet.fenceOf(item.ordinal) !== item.fence) continue;
    fleet.greet(item.ordinal, item.features);
    for (let slot = 0; slot < SLOT_NAMES.length; slot++) {
      // Slots that a hello does not name are empty.
      if (fleet.hasNamed(item.ordinal, slot)) continue;
      running.set(item.ordinal, slot, { release: 0, generation: 0, healthy: true });
    }
  }
}

function applyStateBatch(intake: CycleIntake, { columns, digests, fences }: StatesItem): void {
  const { fleet, state } = intake;
  const releases = digests.map((digest) => state.digests.indexOf(digest));
  for (let row = 0; row < columns.count; row++) {
    const ordinal = columns.ordinals[row] ?? 0;
    const slot = columns.slots[row] ?? 0;
    // Of an older session, or of a slot that this version does not know.
    if (fleet.fenceOf(ordinal) !== fences[row] || slot >= SLOT_NAMES.length) continue;
    state.running.set(ordinal, slot, {
      release: releases[columns.digestIndexes[row] ?? 0] ?? 0,
      generation: columns.generations[row] ?? 0,
      healthy: columns.healthy[row] === 1,
    });
    fleet.nameSlot(ordinal, slot);
  }
}

/** Entries of leases that gateways gave back. */
export function applyReturns(intake: CycleIntake, items: readonly InboxItem[]): void {
  const { desk, isPlanted, state } = intake;
  for (const item of items) {
    if (item.kind !== "return") continue;
    const isCurrent = desk.isCurrent(item.leaseId, item.position, item.generation);
    // Of a lease before the one that covers it now: the newer one decides.
    if (!isCurrent && desk.coveredBy(item.rollout, item.position, item.generation) !== 0) {
      continue;
    }
    desk.release(item.rollout, item.position);
    state.open.get(item.rollout)?.step(
      {
        kind: "returned",
        position: item.position,
        generation: item.generation,
        // The planted bug: an offer that left the gateway is taken for one that did not.
        sent: item.sent && !isPlanted("dispatch.forget-sent"),
      },
      isPlanted,
    );
  }
}

/** Answers the texts to be kept, and how many reports became of what. */
export function applyReports(
  intake: CycleIntake,
  sets: readonly ReportSet[],
): { details: DetailWrite[]; outcomes: { readonly [outcome in ReportOutcome]: number } } {
  const { desk, isPlanted, state } = intake;
  const details: DetailWrite[] = [];
  const outcomes = { changed: 0, duplicate: 0, stale: 0, foreign: 0 };
  const cursor = createReportCursor();
  for (const set of sets) {
    for (let index = 0; index < set.count; index++) {
      const report = set.at(index, cursor);
      if (report === null) continue;
      const rollout = state.open.get(report.rollout);
      const isTheirs = rollout?.ordinalAt(report.position) === report.ordinal;
      if (rollout === undefined || !isTheirs) {
        outcomes.foreign++;
        continue;
      }
      const outcome = rollout.step(report, isPlanted);
      outcomes[outcome]++;
      if (outcome !== "changed") continue;
      desk.release(report.rollout, report.position);
      if (report.text !== "" || report.exitCode !== null) {
        details.push({ rollout, report: { ...report } });
      }
    }
  }
  return { details, outcomes };
}
