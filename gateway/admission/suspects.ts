// SPDX-License-Identifier: Apache-2.0
/**
 * Addresses from which the protocol was broken again and again of late: a broken client, or
 * somebody who means harm. Nobody is shut out for that, for behind one address there may be many
 * devices; their new connections only wait behind everybody else's.
 *
 * Limits: 10,000 addresses, of which the one that sinned longest ago is forgotten first; a minute.
 */
import type { Clock } from "../../ports/clock.ts";

/** A device that is set up wrongly tries a few times, too. */
const FAULTS_FORGIVEN = 3;
const MEMORY_MS = 60_000;
const ADDRESSES_MAX = 10_000;

interface Record {
  faultCount: number;
  lastFaultAtMs: number;
}

export class Suspects {
  readonly #clock: Clock;
  /** In the order of the last fault. */
  readonly #records = new Map<string, Record>();

  constructor(options: { clock: Clock }) {
    this.#clock = options.clock;
  }

  /** Addresses that are kept in mind. */
  get size(): number {
    return this.#records.size;
  }

  /** Somebody at `address` broke the protocol. */
  fault(address: string): void {
    const nowMs = this.#clock.monotonicMs();
    const record = this.#recordOf(address, nowMs) ?? { faultCount: 0, lastFaultAtMs: nowMs };
    record.faultCount += 1;
    record.lastFaultAtMs = nowMs;
    this.#records.delete(address);
    this.#records.set(address, record);
    if (this.#records.size <= ADDRESSES_MAX) return;
    for (const oldest of this.#records.keys()) {
      this.#records.delete(oldest);
      return;
    }
  }

  has(address: string): boolean {
    if (this.#records.size === 0) return false;
    const record = this.#recordOf(address, this.#clock.monotonicMs());
    return record !== null && record.faultCount > FAULTS_FORGIVEN;
  }

  #recordOf(address: string, nowMs: number): Record | null {
    const record = this.#records.get(address);
    if (record === undefined) return null;
    if (nowMs - record.lastFaultAtMs < MEMORY_MS) return record;
    this.#records.delete(address);
    return null;
  }
}
