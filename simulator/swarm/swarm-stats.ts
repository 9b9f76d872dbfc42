// SPDX-License-Identifier: Apache-2.0
/** What a swarm has done so far, in numbers of this run. */
import type { ReportPhase } from "../../protocol/device/report.ts";
import type { JournalOperation } from "./operation-journal.ts";

export interface SwarmStats {
  readonly devices: number;
  readonly enrolled: number;
  /** Connected now; a silent device whose socket is open is not. */
  readonly connected: number;
  readonly connections: number;
  /** Of those, with a resumed TLS session. */
  readonly resumedConnections: number;
  readonly failedConnections: number;
  readonly disconnections: number;
  readonly heartbeats: number;
  /** Messages on `down/offer` that the center signed. */
  readonly offers: number;
  readonly untrustedOffers: number;
  readonly accepted: number;
  readonly installed: number;
  readonly failed: number;
  readonly rolledBack: number;
  readonly rejected: number;
  readonly superseded: number;
  readonly activations: number;
  readonly restores: number;
  readonly crashes: number;
  readonly lies: number;
  /** Fell silent. */
  readonly silent: number;
  readonly reports: number;
  readonly acknowledged: number;
  /** The gateway will never take them. */
  readonly refusedReports: number;
  /** Not acknowledged now. */
  readonly pendingReports: number;
  readonly downloadBytes: number;
  /** Of all runs of these devices: generations activated twice, or after a newer one. */
  readonly doubleActivations: number;
}

export type SwarmCounts = { -readonly [Name in keyof SwarmStats]: number };

export function zeroCounts(): SwarmCounts {
  return {
    devices: 0,
    enrolled: 0,
    connected: 0,
    connections: 0,
    resumedConnections: 0,
    failedConnections: 0,
    disconnections: 0,
    heartbeats: 0,
    offers: 0,
    untrustedOffers: 0,
    accepted: 0,
    installed: 0,
    failed: 0,
    rolledBack: 0,
    rejected: 0,
    superseded: 0,
    activations: 0,
    restores: 0,
    crashes: 0,
    lies: 0,
    silent: 0,
    reports: 0,
    acknowledged: 0,
    refusedReports: 0,
    pendingReports: 0,
    downloadBytes: 0,
    doubleActivations: 0,
  };
}

const NAME_OF_PHASE: { readonly [phase in ReportPhase]?: keyof SwarmStats } = {
  installed: "installed",
  failed: "failed",
  "rolled-back": "rolledBack",
  rejected: "rejected",
  superseded: "superseded",
};

const NAME_OF_OPERATION: {
  readonly [op in Exclude<JournalOperation["op"], "confirm" | "withdrawn">]: keyof SwarmStats;
} = {
  accept: "accepted",
  activate: "activations",
  restore: "restores",
  crash: "crashes",
  lie: "lies",
  silent: "silent",
  report: "reports",
  ack: "acknowledged",
  connect: "connections",
  disconnect: "disconnections",
};

export function countOperation(counts: SwarmCounts, operation: JournalOperation): void {
  if (operation.op === "confirm" || operation.op === "withdrawn") return;
  if (operation.op === "report" && operation.isRepeat === true) return;
  counts[NAME_OF_OPERATION[operation.op]] += 1;
  if (operation.op !== "report") return;
  const name = NAME_OF_PHASE[operation.report.phase];
  if (name !== undefined) counts[name] += 1;
}

/** The sum over the processes of a swarm. */
export function addCounts(all: readonly SwarmStats[]): SwarmStats {
  const sum = zeroCounts();
  for (const stats of all) {
    for (const name of Object.keys(sum) as (keyof SwarmStats)[]) sum[name] += stats[name];
  }
  return sum;
}
