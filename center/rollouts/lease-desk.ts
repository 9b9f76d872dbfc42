// SPDX-License-Identifier: Apache-2.0
/**
 * Which plan leases are out: who may offer which attempt now. In memory only: after a restart of
 * the center gateways name the leases they still hold and are told to give them back; attempts that
 * were offered are leased again, under the same generation, to wherever their device is connected.
 *
 * At most one lease covers a position. Entries leave when the device answered, when the gateway
 * gives them back, or when its stream ends. What covers a position is kept in flat columns, by
 * chunks of positions that go when nothing in them is covered: memory grows with what is out.
 */
import { CELLS_PER_PAGE } from "../../domain/attempt-page.ts";

export interface Lease {
  readonly id: string;
  readonly gatewayNumber: number;
  readonly rolloutNumber: number;
  readonly stopEpoch: number;
  /** The n-th elements belong together; entries stay here when they are answered. */
  readonly positions: number[];
  readonly generations: number[];
}

/** Most attempts in one lease: a batch task's size. */
export const MAX_LEASE_ENTRIES = 1_000;

/** What covers the positions of one page of a rollout; 0 = nothing. */
interface Chunk {
  readonly grants: Uint32Array;
  readonly gateways: Uint16Array;
  readonly generations: Int32Array;
  coveredCount: number;
}

/** A lease that is out, under a number of its own. */
interface Grant {
  readonly lease: Lease;
  readonly number: number;
  openCount: number;
}

export class LeaseDesk {
  private readonly byId = new Map<string, Grant>();
  private readonly byNumber = new Map<number, Grant>();
  /** By rollout, then by page of positions. */
  private readonly covering = new Map<number, (Chunk | undefined)[]>();
  private lastNumber = 0;

  grant(lease: Lease): void {
    const number = ++this.lastNumber;
    const grant: Grant = { lease, number, openCount: lease.positions.length };
    this.byId.set(lease.id, grant);
    this.byNumber.set(number, grant);
    lease.positions.forEach((position, index) => {
      this.release(lease.rolloutNumber, position);
      const chunk = this.chunkFor(lease.rolloutNumber, position);
      const cell = position % CELLS_PER_PAGE;
      chunk.grants[cell] = number;
      chunk.gateways[cell] = lease.gatewayNumber;
      chunk.generations[cell] = lease.generations[index] ?? 0;
      chunk.coveredCount++;
    });
  }

  /** The gateway (by number) whose lease has the position under this generation; 0 = none. */
  coveredBy(rolloutNumber: number, position: number, generation: number): number {
    const chunk = this.chunkOf(rolloutNumber, position);
    const cell = position % CELLS_PER_PAGE;
    if (chunk === undefined || chunk.generations[cell] !== generation) return 0;
    return chunk.gateways[cell] ?? 0;
  }

  /** Positions of the rollout that a gateway has and has not given back or answered. */
  coveredCount(rolloutNumber: number): number {
    const chunks = this.covering.get(rolloutNumber) ?? [];
    return chunks.reduce((sum, chunk) => sum + (chunk?.coveredCount ?? 0), 0);
  }

  /** True when this lease covers the position under this generation: only then a return counts. */
  isCurrent(leaseId: string, position: number, generation: number): boolean {
    const grant = this.byId.get(leaseId);
    if (grant === undefined) return false;
    const chunk = this.chunkOf(grant.lease.rolloutNumber, position);
    const cell = position % CELLS_PER_PAGE;
    return chunk?.grants[cell] === grant.number && chunk.generations[cell] === generation;
  }

  /** The device answered, or the entry came back. */
  release(rolloutNumber: number, position: number): void {
    const chunk = this.chunkOf(rolloutNumber, position);
    const number = chunk?.grants[position % CELLS_PER_PAGE] ?? 0;
    if (chunk === undefined || number === 0) return;
    const grant = this.byNumber.get(number);
    if (grant !== undefined) grant.openCount--;
    this.uncover(rolloutNumber, chunk, position);
  }

  /** The gateway's stream ended, or a lease was revoked: nothing is covered by it any more. */
  drop(lease: Lease): void {
    const grant = this.byId.get(lease.id);
    if (grant === undefined) return;
    this.forget(grant);
    for (const position of lease.positions) {
      const chunk = this.chunkOf(lease.rolloutNumber, position);
      if (chunk?.grants[position % CELLS_PER_PAGE] !== grant.number) continue;
      this.uncover(lease.rolloutNumber, chunk, position);
    }
  }

  dropGateway(gatewayNumber: number): void {
    for (const { lease } of this.byId.values()) {
      if (lease.gatewayNumber === gatewayNumber) this.drop(lease);
    }
  }

  dropRollout(rolloutNumber: number): void {
    for (const grant of this.byId.values()) {
      if (grant.lease.rolloutNumber === rolloutNumber) this.forget(grant);
    }
    this.covering.delete(rolloutNumber);
  }

  /** Nothing is covered any more. */
  dropAll(): void {
    this.byId.clear();
    this.byNumber.clear();
    this.covering.clear();
  }

  /** By gateway: leases to renew, and those with nothing left in them, which are dropped. */
  renewals(): Map<number, { renew: string[]; forget: string[] }> {
    const byGateway = new Map<number, { renew: string[]; forget: string[] }>();
    for (const grant of this.byId.values()) {
      const { id, gatewayNumber } = grant.lease;
      const entry = byGateway.get(gatewayNumber) ?? { renew: [], forget: [] };
      byGateway.set(gatewayNumber, entry);
      if (grant.openCount > 0) {
        entry.renew.push(id);
      } else {
        entry.forget.push(id);
        this.forget(grant);
      }
    }
    return byGateway;
  }

  has(leaseId: string): boolean {
    return this.byId.has(leaseId);
  }

  get leaseCount(): number {
    return this.byId.size;
  }

  private forget(grant: Grant): void {
    this.byId.delete(grant.lease.id);
    this.byNumber.delete(grant.number);
  }

  private uncover(rolloutNumber: number, chunk: Chunk, position: number): void {
    const cell = position % CELLS_PER_PAGE;
    chunk.grants[cell] = 0;
    chunk.gateways[cell] = 0;
    chunk.generations[cell] = 0;
    if (--chunk.coveredCount > 0) return;
    const chunks = this.covering.get(rolloutNumber);
    if (chunks !== undefined) chunks[Math.floor(position / CELLS_PER_PAGE)] = undefined;
  }

  private chunkOf(rolloutNumber: number, position: number): Chunk | undefined {
    return this.covering.get(rolloutNumber)?.[Math.floor(position / CELLS_PER_PAGE)];
  }

  private chunkFor(rolloutNumber: number, position: number): Chunk {
    const existing = this.chunkOf(rolloutNumber, position);
    if (existing !== undefined) return existing;
    let chunks = this.covering.get(rolloutNumber);
    if (chunks === undefined) {
      chunks = [];
      this.covering.set(rolloutNumber, chunks);
    }
    const created: Chunk = {
      grants: new Uint32Array(CELLS_PER_PAGE),
      gateways: new Uint16Array(CELLS_PER_PAGE),
      generations: new Int32Array(CELLS_PER_PAGE),
      coveredCount: 0,
    };
    chunks[Math.floor(position / CELLS_PER_PAGE)] = created;
    return created;
  }
}
