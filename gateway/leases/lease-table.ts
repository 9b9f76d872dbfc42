// SPDX-License-Identifier: Apache-2.0
/**
 * What this gateway may offer, to whom, until when. Pure: no clock, no disk, no sockets; time is an
 * argument, what has to happen is returned.
 *
 * An entry is offered only while its lease is neither expired nor revoked and no newer stop epoch
 * of its rollout was seen. It is closed by a report of its generation, or given back to the center,
 * each exactly once:
 *
 *     Waiting → Sent → Closed                 the device answered
 *     Waiting | Sent → Closed (returned)      its session ended, or the lease did
 *     Sent → Withdrawing → Withdrawn → Confirmed → Closed    the rollout was stopped
 *
 * Limits: 1,000 entries a lease, 50,000 open entries in all (20,000 devices with an update in two
 * slots); stop epochs of the 10,000 newest rollouts.
 */
import { EntryState, type EntryRef, type Lease, type ReturnedEntries } from "./lease.ts";
import { StopTallies } from "./stop-tallies.ts";

export const MAX_LEASE_ENTRIES = 1_000;
export const MAX_OPEN_ENTRIES = 50_000;
export const MAX_STOP_EPOCHS = 10_000;

export type AddOutcome = "added" | "known" | "expired" | "stale" | "full";

export class LeaseTable {
  readonly #leases = new Map<string, Lease>();
  readonly #entriesByDevice = new Map<string, EntryRef[]>();
  readonly #stopEpochs = new Map<number, number>();
  /** How far each stop has got with the devices of this gateway. */
  readonly stopTallies: StopTallies = new StopTallies();
  #openCount = 0;

  get leaseCount(): number {
    return this.#leases.size;
  }

  get openCount(): number {
    return this.#openCount;
  }

  /** Ids of the leases that are not expired. */
  heldLeaseIds(): readonly string[] {
    return [...this.#leases.keys()];
  }

  has(leaseId: string): boolean {
    return this.#leases.has(leaseId);
  }

  leases(): IterableIterator<Lease> {
    return this.#leases.values();
  }

  /** Devices with an open entry of a lease that was kept over a restart. */
  restoredDevices(): readonly string[] {
    return [...this.#entriesByDevice]
      .filter(([, entries]) => entries.some(({ lease }) => lease.isRestored))
      .map(([device]) => device);
  }

  stopEpochs(): ReadonlyMap<number, number> {
    return this.#stopEpochs;
  }

  /** Takes a lease whose entries are in the states that it says. */
  add(lease: Lease, nowMs: number): AddOutcome {
    const { id, rollout, stopEpoch, devices } = lease.content;
    if (this.#leases.has(id)) return "known";
    if (lease.expiresAtMs <= nowMs) return "expired";
    if (stopEpoch < this.stopEpochOf(rollout)) return "stale";
    if (this.#openCount + lease.openCount > MAX_OPEN_ENTRIES) return "full";
    this.raiseStopEpoch(rollout, stopEpoch);
    this.#leases.set(id, lease);
    for (let index = 0; index < devices.length; index += 1) {
      if (lease.states[index] === EntryState.Closed) continue;
      this.#openCount += 1;
      const device = devices[index] as string;
      const entries = this.#entriesByDevice.get(device);
      if (entries === undefined) this.#entriesByDevice.set(device, [{ lease, index }]);
      else entries.push({ lease, index });
    }
    return "added";
  }

  stopEpochOf(rollout: number): number {
    return this.#stopEpochs.get(rollout) ?? 0;
  }

  /** True when the epoch is newer than the one that was known. */
  raiseStopEpoch(rollout: number, stopEpoch: number): boolean {
    if (stopEpoch <= this.stopEpochOf(rollout)) return false;
    this.#stopEpochs.set(rollout, stopEpoch);
    if (this.#stopEpochs.size > MAX_STOP_EPOCHS) {
      // The oldest rollout: its leases are long expired, and the center refuses it as well.
      this.#stopEpochs.delete(Math.min(...this.#stopEpochs.keys()));
    }
    return true;
  }

  /** The open entries of a device. */
  entriesOf(device: string): readonly EntryRef[] {
    return this.#entriesByDevice.get(device) ?? [];
  }

  mayOffer(entry: EntryRef, nowMs: number): boolean {
    return entry.lease.states[entry.index] === EntryState.Waiting && this.#isGood(entry, nowMs);
  }

  setState({ lease, index }: EntryRef, state: EntryState): void {
    const before = lease.states[index] as EntryState;
    if (before === EntryState.Closed) return;
    lease.states[index] = state;
    this.stopTallies.moved(lease.content.rollout, before, state);
  }

  /** The device reported under this generation: its entry is answered. False when there is none. */
  answer(device: string, rollout: number, generation: number): boolean {
    const entry = this.entriesOf(device).find(
      ({ lease: { content }, index }) =>
        content.rollout === rollout && content.generations[index] === generation,
    );
    if (entry === undefined) return false;
    this.#close(entry, "answered");
    return true;
  }

  /** Gives back every entry of a device. */
  returnDevice(device: string): readonly ReturnedEntries[] {
    return this.giveBack(this.entriesOf(device));
  }

  /** Gives back what a stop has reached; what a device still may be offered or answer stays. */
  returnStopped(device: string): readonly ReturnedEntries[] {
    const isStopped = ({ lease, index }: EntryRef): boolean =>
      lease.states[index] !== EntryState.Waiting && lease.states[index] !== EntryState.Sent;
    return this.giveBack(this.entriesOf(device).filter(isStopped));
  }

  /** May an offer that was sent go out once more, for its acknowledgement never came? */
  mayRepeat(entry: EntryRef, nowMs: number): boolean {
    return entry.lease.states[entry.index] === EntryState.Sent && this.#isGood(entry, nowMs);
  }

  /** False when there is no such lease. */
  renew(leaseId: string, expiresAtMs: number): boolean {
    const lease = this.#leases.get(leaseId);
    if (lease === undefined || lease.isRevoked) return false;
    lease.expiresAtMs = Math.max(lease.expiresAtMs, expiresAtMs);
    return true;
  }

  /** Stops offering; gives back what was not sent. What was sent still waits for its answer. */
  revoke(leaseId: string): readonly ReturnedEntries[] {
    const lease = this.#leases.get(leaseId);
    if (lease === undefined) return [];
    lease.isRevoked = true;
    return this.giveBack(openEntries(lease, EntryState.Waiting));
  }

  /** Gives back the open entries of every lease that is over, sent or not. */
  expire(nowMs: number): readonly ReturnedEntries[] {
    const over = [...this.#leases.values()].filter((lease) => lease.expiresAtMs <= nowMs);
    const returned = over.flatMap((lease) => this.giveBack(openEntries(lease)));
    for (const lease of over) this.#leases.delete(lease.content.id);
    return returned;
  }

  /**
   * The rollout's older epochs are over: what was not sent comes back, what was sent is to be
   * withdrawn. Call `raiseStopEpoch` first.
   */
  stop(rollout: number): {
    readonly withdrawing: readonly EntryRef[];
    readonly returned: readonly ReturnedEntries[];
  } {
    const stopEpoch = this.stopEpochOf(rollout);
    const withdrawing: EntryRef[] = [];
    const returned: ReturnedEntries[] = [];
    let toldCount = 0;
    let owedCount = 0;
    for (const lease of this.#leases.values()) {
      if (lease.content.rollout !== rollout || lease.content.stopEpoch >= stopEpoch) continue;
      const sent = openEntries(lease, EntryState.Sent);
      for (const { index } of sent) lease.states[index] = EntryState.Withdrawing;
      withdrawing.push(...sent);
      // Those of an older stop that have not confirmed it are awaited under this one, too.
      owedCount += openEntries(lease, EntryState.Withdrawing).length;
      toldCount += openEntries(lease, EntryState.Withdrawn).length;
      returned.push(...this.giveBack(openEntries(lease, EntryState.Waiting)));
    }
    this.stopTallies.open({ rollout, stopEpoch, held: owedCount + toldCount, told: toldCount });
    return { withdrawing, returned };
  }

  /** Gives back everything that was not sent: the gateway shuts down. */
  returnUnsent(): readonly ReturnedEntries[] {
    return [...this.#leases.values()].flatMap((lease) =>
      this.giveBack(openEntries(lease, EntryState.Waiting)),
    );
  }

  /** Closes entries and says what the center must know of them, lease by lease. */
  giveBack(entries: readonly EntryRef[]): readonly ReturnedEntries[] {
    const byLease = new Map<Lease, ReturnedEntries>();
    for (const entry of entries) {
      const { lease, index } = entry;
      const { id, rollout } = lease.content;
      let returned = byLease.get(lease);
      if (returned === undefined) {
        returned = { leaseId: id, rollout, positions: [], generations: [], sent: [] };
        byLease.set(lease, returned);
      }
      returned.positions.push(lease.content.positions[index] as number);
      returned.generations.push(lease.content.generations[index] as number);
      returned.sent.push(lease.isRestored || lease.states[index] !== EntryState.Waiting);
      this.#close(entry, "gone");
    }
    return [...byLease.values()];
  }

  #isGood({ lease }: EntryRef, nowMs: number): boolean {
    return (
      !lease.isRevoked &&
      nowMs < lease.expiresAtMs &&
      lease.content.stopEpoch >= this.stopEpochOf(lease.content.rollout)
    );
  }

  #close(entry: EntryRef, why: "answered" | "gone"): void {
    const { lease, index } = entry;
    this.stopTallies.ended(lease.content.rollout, lease.states[index] as EntryState, why);
    lease.states[index] = EntryState.Closed;
    lease.openCount -= 1;
    this.#openCount -= 1;
    const device = lease.content.devices[index] as string;
    const left = this.entriesOf(device).filter(
      (other) => other.lease !== lease || other.index !== index,
    );
    if (left.length === 0) this.#entriesByDevice.delete(device);
    else this.#entriesByDevice.set(device, left);
    if (lease.openCount === 0) this.#leases.delete(lease.content.id);
  }
}

/** The open entries of a lease, of one state or of all. */
function openEntries(lease: Lease, state?: EntryState): EntryRef[] {
  const entries: EntryRef[] = [];
  for (let index = 0; index < lease.states.length; index += 1) {
    const own = lease.states[index];
    if (own === EntryState.Closed || (state !== undefined && own !== state)) continue;
    entries.push({ lease, index });
  }
  return entries;
}
