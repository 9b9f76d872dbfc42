// SPDX-License-Identifier: Apache-2.0
/**
 * Which plan leases are out: who may offer which attempt now. In memory only: after a restart of
 * the center gateways name the leases they still hold and are told to give them back; attempts that
 * were offered are leased again, under the same generation, to wherever their device is connected.
 *
 * At most one lease covers a position. Entries leave when the device answered, when the gateway
 * gives them back, or when its stream ends.
 */
export interface Lease {
  readonly id: string;
  readonly gatewayNumber: number;
  readonly rolloutNumber: number;
  readonly stopEpoch: number;
  /** Generation by position. */
  readonly entries: Map<number, number>;
}

/** Most attempts in one lease: a batch task's size. */
export const MAX_LEASE_ENTRIES = 1_000;

export class LeaseDesk {
  private readonly leases = new Map<string, Lease>();
  private readonly covering = new Map<number, Map<number, Lease>>();

  grant(lease: Lease): void {
    this.leases.set(lease.id, lease);
    let positions = this.covering.get(lease.rolloutNumber);
    if (positions === undefined) {
      positions = new Map();
      this.covering.set(lease.rolloutNumber, positions);
    }
    for (const position of lease.entries.keys()) positions.set(position, lease);
  }

  /** The gateway (by number) whose lease has the position under this generation; 0 = none. */
  coveredBy(rolloutNumber: number, position: number, generation: number): number {
    const lease = this.covering.get(rolloutNumber)?.get(position);
    return lease?.entries.get(position) === generation ? lease.gatewayNumber : 0;
  }

  /** True when this lease covers the position under this generation: only then a return counts. */
  isCurrent(leaseId: string, position: number, generation: number): boolean {
    return this.leases.get(leaseId)?.entries.get(position) === generation;
  }

  /** The device answered, or the entry came back. */
  release(rolloutNumber: number, position: number): void {
    const positions = this.covering.get(rolloutNumber);
    const lease = positions?.get(position);
    if (positions === undefined || lease === undefined) return;
    positions.delete(position);
    lease.entries.delete(position);
  }

  /** The gateway's stream ended, or a lease was revoked: nothing is covered by it any more. */
  drop(lease: Lease): void {
    this.leases.delete(lease.id);
    const positions = this.covering.get(lease.rolloutNumber);
    for (const position of lease.entries.keys()) positions?.delete(position);
  }

  dropGateway(gatewayNumber: number): void {
    for (const lease of this.leases.values()) {
      if (lease.gatewayNumber === gatewayNumber) this.drop(lease);
    }
  }

  dropRollout(rolloutNumber: number): void {
    for (const lease of this.leases.values()) {
      if (lease.rolloutNumber === rolloutNumber) this.drop(lease);
    }
    this.covering.delete(rolloutNumber);
  }

  /** Nothing is covered any more. */
  dropAll(): void {
    this.leases.clear();
    this.covering.clear();
  }

  /** By gateway: leases to renew, and those with nothing left in them, which are dropped. */
  renewals(): Map<number, { renew: string[]; forget: string[] }> {
    const byGateway = new Map<number, { renew: string[]; forget: string[] }>();
    for (const lease of this.leases.values()) {
      const entry = byGateway.get(lease.gatewayNumber) ?? { renew: [], forget: [] };
      byGateway.set(lease.gatewayNumber, entry);
      if (lease.entries.size > 0) {
        entry.renew.push(lease.id);
      } else {
        entry.forget.push(lease.id);
        this.leases.delete(lease.id);
      }
    }
    return byGateway;
  }

  has(leaseId: string): boolean {
    return this.leases.has(leaseId);
  }

  get leaseCount(): number {
    return this.leases.size;
  }
}
