// SPDX-License-Identifier: Apache-2.0
/**
 * A small run told step by step, for tests of checkers: two devices, `one` and `two`, and a rollout
 * `app` (number 1) in two waves, one device each. Every step takes 100 ms of the run's time.
 */
import { ATTEMPT_STATES, type AttemptState } from "../../../domain/attempt.ts";
import { FIRST_PREVIOUS_HASH, sealAuditEntry } from "../../../ports/audit-chain.ts";
import type { AuditEntry, Json } from "../../../ports/store.ts";
import type { ReportPhase } from "../../../protocol/device/report.ts";
import type { JournalEntry, JournalOperation } from "../../swarm/operation-journal.ts";
import type { AttemptHistory, History, Observation, RolloutHistory } from "../history.ts";

export const OLD: string = "a".repeat(64);
export const NEW: string = "b".repeat(64);
const STEP_MS = 100;

/** Which attempt a step is about; defaults: rollout 1, generation 1, the device's position. */
export interface Which {
  readonly rollout?: number;
  readonly generation?: number;
}

const POSITIONS: { readonly [device: string]: number } = { one: 0, two: 1 };

export class SampleRun {
  nowMs = 1_000_000;
  readonly journal: JournalEntry[] = [];
  readonly audit: AuditEntry[] = [];
  readonly rollouts: RolloutHistory[] = [];
  readonly observations: Observation[] = [];
  readonly #sequences = new Map<string, number>();

  /** An audit entry of a rollout; the reason of `open-wave` is `wave 1`, … */
  audited(action: string, reason = "", detail: Json = {}, name = "app"): this {
    this.nowMs += STEP_MS;
    const entry = sealAuditEntry({
      draft: {
        tenant: "default",
        actor: "system:rollout-engine",
        action: `rollout.${action}`,
        subject: `rollout/default/${name}`,
        reason,
        detail,
      },
      sequence: this.audit.length + 1,
      atMs: this.nowMs,
      previousHash: this.audit.at(-1)?.hash ?? FIRST_PREVIOUS_HASH,
    });
    this.audit.push(entry);
    return this;
  }

  accepts(device: string, which: Which & { target?: string } = {}): this {
    const { target = NEW } = which;
    const name = nameOf(device, which);
    const offer = {
      ...name,
      type: "muster.offer/v1" as const,
      tenant: "default",
      device,
      rolloutName: "app",
      stopEpoch: 0,
      action: target === "" ? ("remove" as const) : ("install" as const),
      ...(target === "" ? {} : { release: { ...RELEASE, sha256: target } }),
      nonce: "",
      issuedAtMs: this.nowMs,
      expiresAtMs: this.nowMs + 60_000,
    };
    return this.#does(device, { op: "accept", ...name, offer });
  }

  /** `digest`: what runs from now on. */
  switches(
    device: string,
    op: "activate" | "restore" | "lie",
    digest: string,
    which: Which = {},
  ): this {
    return this.#does(device, { op, ...nameOf(device, which), digest, version: "" });
  }

  /** Says it, and unless `unheard` is told that the center has it. */
  says(device: string, phase: ReportPhase, which: Which & { unheard?: boolean } = {}): this {
    const { slot, ...name } = nameOf(device, which);
    const key = `${device} ${name.generation}`;
    const sequence = (this.#sequences.get(key) ?? 0) + 1;
    this.#sequences.set(key, sequence);
    const report = { ...name, sequence, phase };
    this.#does(device, { op: "report", slot, ...name, report });
    return which.unheard === true ? this : this.#does(device, { op: "ack", ...name, sequence });
  }

  /** Accepts, installs and says so. */
  installs(device: string, which: Which & { target?: string } = {}): this {
    const { target = NEW } = which;
    return this.accepts(device, which)
      .switches(device, "activate", target, which)
      .says(device, "installed", which);
  }

  takesWithdrawal(device: string, which: Which = {}): this {
    const { rollout, generation } = nameOf(device, which);
    return this.#does(device, { op: "withdrawn", rollout, generation });
  }

  /** Time in which nothing happens. */
  passes(milliseconds: number): this {
    this.nowMs += milliseconds;
    return this;
  }

  /** Rollout 1 as it ended; attempts are `[device, state]`. */
  ends(
    attempts: readonly (readonly [device: string, state: AttemptState])[],
    facts: Partial<RolloutHistory> = {},
  ): this {
    const number = facts.number ?? 1;
    const listed: AttemptHistory[] = attempts.map(([device, state]) => ({
      device,
      position: POSITIONS[device] ?? 0,
      wave: Math.min((POSITIONS[device] ?? 0) + 1, facts.waveTotal ?? 2),
      state,
      generation: number,
      reason: "",
    }));
    this.rollouts.push({
      number,
      tenant: "default",
      name: "app",
      state: "succeeded",
      parent: "",
      child: "",
      deviceCount: attempts.length,
      waveTotal: 2,
      waveCount: 2,
      maxInFlight: 1,
      blastRadius: 1,
      soakMs: 1_000,
      reachMs: 10_000,
      giveUpMs: 60_000,
      byState: countByState(listed),
      maxUnproven: 1,
      failures: 0,
      attempts: listed,
      ...facts,
    });
    return this;
  }

  get history(): History {
    const { journal, audit, rollouts, observations } = this;
    return { journal, audit, rollouts, observations, offerLifetimeMs: 5_000 };
  }

  #does(device: string, operation: JournalOperation): this {
    this.nowMs += STEP_MS;
    this.journal.push({ at: this.nowMs, device, ...operation });
    return this;
  }
}

/** A rollout that went as it should: both devices ran OLD and run NEW. */
export function goodRun(): SampleRun {
  return new SampleRun()
    .audited("create")
    .audited("plan")
    .audited("start")
    .audited("open-wave", "wave 1")
    .installs("one")
    .passes(1_000)
    .audited("open-wave", "wave 2")
    .installs("two")
    .passes(1_000)
    .audited("end", "", { state: "succeeded" })
    .ends([
      ["one", "succeeded"],
      ["two", "succeeded"],
    ]);
}

const RELEASE = { name: "app", version: "2.0.0", target: "", lengthBytes: 1 };

function nameOf(
  device: string,
  which: Which,
): { slot: "app"; rollout: number; position: number; generation: number } {
  const { rollout = 1, generation = rollout } = which;
  return { slot: "app", rollout, position: POSITIONS[device] ?? 0, generation };
}

function countByState(attempts: readonly AttemptHistory[]): { [state: string]: number } {
  const counts: { [state: string]: number } = {};
  for (const state of ATTEMPT_STATES) {
    const count = attempts.filter((attempt) => attempt.state === state).length;
    if (count > 0) counts[state] = count;
  }
  return counts;
}
