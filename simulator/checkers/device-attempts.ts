// SPDX-License-Identifier: Apache-2.0
/** The devices' journal, folded into what each device did under each generation. */
import type { DeviceReport, ReportPhase } from "../../protocol/device/report.ts";
import type { Slot } from "../../protocol/device/status.ts";
import { LAST_PHASES } from "../swarm/read-journal.ts";
import type { JournalEntry } from "../swarm/operation-journal.ts";
import type { History, RolloutHistory } from "./history.ts";

export interface DeviceAttempt {
  readonly device: string;
  readonly slot: Slot;
  readonly rollout: number;
  readonly position: number;
  readonly generation: number;
  /** null = it never accepted: it refused the offer. */
  acceptedAtMs: number | null;
  /** When the device heard that the center has its `accepted`. */
  acceptHeardAtMs: number | null;
  /** The digest that was offered; "" = nothing is to be installed. */
  target: string;
  /** What ran when it accepted. */
  former: string;
  /** What really ran when its work was done; null = it did not get so far. */
  runs: string | null;
  /** It said that it runs what it does not. */
  lied: boolean;
  lastWord: LastWord | null;
}

export interface LastWord {
  readonly phase: ReportPhase;
  readonly sequence: number;
  readonly atMs: number;
  /** null = the device was never told that the center has it. */
  heardAtMs: number | null;
}

/** In the order in which devices first said or did something under each generation. */
export function deviceAttempts(journal: readonly JournalEntry[]): readonly DeviceAttempt[] {
  const reader = new AttemptReader();
  for (const entry of journal) reader.take(entry);
  return [...reader.attempts.values()];
}

/** Those of one rollout, by device, oldest generation first. */
export function attemptsByDevice(
  attempts: readonly DeviceAttempt[],
  rollout: number,
): ReadonlyMap<string, readonly DeviceAttempt[]> {
  const byDevice = new Map<string, DeviceAttempt[]>();
  for (const attempt of attempts) {
    if (attempt.rollout !== rollout) continue;
    const list = byDevice.get(attempt.device);
    if (list === undefined) byDevice.set(attempt.device, [attempt]);
    else list.push(attempt);
  }
  return byDevice;
}

/**
 * Until when the center cannot have decided this accepted attempt: its last word, and where it says
 * installed the soak; but no longer than it takes until a silent device is given up.
 */
export function undecidedUntilMs(attempt: DeviceAttempt, rollout: RolloutHistory): number {
  const givenUpAtMs = (attempt.acceptedAtMs ?? 0) + rollout.giveUpMs;
  const { lastWord } = attempt;
  if (lastWord === null || lastWord.atMs > givenUpAtMs) return givenUpAtMs;
  // The rollout's clock ticks in steps of 10 ms, and both ends of the soak may be cut.
  const soakMs = lastWord.phase === "installed" ? Math.max(0, rollout.soakMs - 20) : 0;
  return lastWord.atMs + soakMs;
}

/** `default/app-2 (number 5)`. */
export function nameOf(rollout: RolloutHistory): string {
  return `${rollout.tenant}/${rollout.name} (number ${rollout.number})`;
}

/** `16:04:05.123`, as in logs. */
export function timeOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(11, 23);
}

export function rolloutOf(history: History, number: number): RolloutHistory | null {
  return history.rollouts.find((rollout) => rollout.number === number) ?? null;
}

class AttemptReader {
  readonly attempts = new Map<string, DeviceAttempt>();
  /** What runs, by device and slot. */
  readonly #runs = new Map<string, string>();
  readonly #reports = new Map<string, DeviceReport>();

  take(entry: JournalEntry): void {
    const { device, at } = entry;
    switch (entry.op) {
      case "connect":
      case "disconnect":
      case "withdrawn":
        return;
      case "ack":
        return this.#heard(entry, at);
      case "accept": {
        const attempt = this.#of(entry);
        attempt.acceptedAtMs ??= at;
        attempt.target = entry.offer.release?.sha256 ?? "";
        attempt.former = this.#runs.get(`${device} ${entry.slot}`) ?? "";
        return;
      }
      case "report": {
        const { report } = entry;
        const attempt = this.#of(entry);
        this.#reports.set(reportKey(device, report), report);
        if (!LAST_PHASES.has(report.phase)) return;
        const { phase, sequence } = report;
        attempt.lastWord = { phase, sequence, atMs: at, heardAtMs: null };
        return;
      }
      default: {
        const attempt = this.#of(entry);
        this.#runs.set(`${device} ${entry.slot}`, entry.digest);
        if (entry.op === "lie") attempt.lied = true;
        if (entry.op !== "crash" && entry.op !== "silent") attempt.runs = entry.digest;
      }
    }
  }

  #heard(entry: Extract<JournalEntry, { op: "ack" }>, at: number): void {
    const { device, generation, sequence } = entry;
    const report = this.#reports.get(reportKey(device, { generation, sequence }));
    if (report === undefined) return;
    const attempt = this.attempts.get(attemptKey(device, entry));
    if (attempt === undefined) return;
    if (report.phase === "accepted") attempt.acceptHeardAtMs ??= at;
    if (attempt.lastWord?.sequence === sequence) attempt.lastWord.heardAtMs ??= at;
  }

  #of(entry: Extract<JournalEntry, { slot: Slot }>): DeviceAttempt {
    const { device, slot, rollout, position, generation } = entry;
    const key = attemptKey(device, entry);
    const known = this.attempts.get(key);
    if (known !== undefined) return known;
    const fresh: DeviceAttempt = {
      device,
      slot,
      rollout,
      position,
      generation,
      acceptedAtMs: null,
      acceptHeardAtMs: null,
      target: "",
      former: "",
      runs: null,
      lied: false,
      lastWord: null,
    };
    this.attempts.set(key, fresh);
    return fresh;
  }
}

function attemptKey(
  device: string,
  name: { readonly rollout: number; readonly generation: number },
): string {
  return `${device} ${name.rollout} ${name.generation}`;
}

/** A device counts its reports by generation. */
function reportKey(
  device: string,
  report: { readonly generation: number; readonly sequence: number },
): string {
  return `${device} ${report.generation} ${report.sequence}`;
}
