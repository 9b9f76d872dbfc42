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
  readonly faultCount: number;
  readonly lastFaultAtMs: number;
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
    this.#forgetOld();
    return this.#records.size;
  }

  /** Somebody at `address` broke the protocol. */
  fault(address: string): void {
    this.#forgetOld();
    const faultCount = (this.#records.get(address)?.faultCount ?? 0) + 1;
    this.#records.delete(address);
    this.#records.set(address, { faultCount, lastFaultAtMs: this.#clock.monotonicMs() });
    if (this.#records.size > ADDRESSES_MAX) this.#forgetFirst();
  }

  has(address: string): boolean {
    this.#forgetOld();
    return (this.#records.get(address)?.faultCount ?? 0) > FAULTS_FORGIVEN;
  }

  #forgetOld(): void {
    const oldMs = this.#clock.monotonicMs() - MEMORY_MS;
    for (const { lastFaultAtMs } of this.#records.values()) {
      if (lastFaultAtMs > oldMs) return;
      this.#forgetFirst();
    }
  }

  #forgetFirst(): void {
    for (const first of this.#records.keys()) {
      this.#records.delete(first);
      return;
    }
  }
}
