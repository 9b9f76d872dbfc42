// SPDX-License-Identifier: Apache-2.0
/**
 * What the processes of an installation wrote while rollouts ran, side by side: the devices'
 * journal, the audit log, the attempts as they ended, and what the center said on the way. Checkers
 * read this and nothing else, so they judge a run on virtual time and one with real processes
 * alike.
 *
 * Times are wall clock milliseconds of one machine: devices' journal and audit log share it.
 */
import type { AttemptState } from "../../domain/attempt.ts";
import type { RolloutState } from "../../domain/rollout.ts";
import type { AuditEntry } from "../../ports/store.ts";
import type { JournalEntry } from "../swarm/operation-journal.ts";

export interface History {
  /** Of all devices, in the order in which it was written. */
  readonly journal: readonly JournalEntry[];
  /** The whole log, from the first entry. */
  readonly audit: readonly AuditEntry[];
  /** Every rollout, rollbacks included, as it was when the run was over. */
  readonly rollouts: readonly RolloutHistory[];
  /** What the center said while they ran, oldest first. */
  readonly observations: readonly Observation[];
  /** How long an offer could be accepted. */
  readonly offerLifetimeMs: number;
}

export interface RolloutHistory {
  readonly number: number;
  readonly tenant: string;
  readonly name: string;
  readonly state: RolloutState;
  /** Of a rollback: the rollout that it undoes. "" = none. */
  readonly parent: string;
  /** Its rollback. "" = none. */
  readonly child: string;
  /** Devices in the frozen plan. */
  readonly deviceCount: number;
  /** Waves in the frozen plan. */
  readonly waveTotal: number;
  /** Waves opened. */
  readonly waveCount: number;
  readonly maxInFlight: number;
  readonly blastRadius: number;
  readonly soakMs: number;
  readonly reachMs: number;
  /** The shortest time after which a device that says nothing new may be given up. */
  readonly giveUpMs: number;
  /** By state, as the center counts. */
  readonly byState: { readonly [state: string]: number };
  readonly maxUnproven: number;
  /** Devices that have failed once, in any way: k of the gate. */
  readonly failures: number;
  readonly attempts: readonly AttemptHistory[];
}

export interface AttemptHistory {
  readonly device: string;
  readonly position: number;
  /** From 1. */
  readonly wave: number;
  readonly state: AttemptState;
  /** 0 = none was drawn, or the last one was refused and no other drawn. */
  readonly generation: number;
  readonly reason: string;
}

/** A rollout as the center showed it at some moment. */
export interface Observation {
  readonly rollout: number;
  readonly byState: { readonly [state: string]: number };
  readonly unproven: number;
}

/** An invariant that does not hold, told so that a person can follow it. */
export interface Violation {
  /** Name of the checker. */
  readonly invariant: string;
  readonly story: string;
}

/** Pure; an empty answer means that the invariant held. */
export type Checker = (history: History) => readonly Violation[];
