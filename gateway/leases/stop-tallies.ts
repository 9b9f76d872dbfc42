// SPDX-License-Identifier: Apache-2.0
/**
 * How far the latest stop of each rollout has got with the devices that had its offer in hand:
 * counts that only grow, until every one of them is accounted for and the center was told so.
 */
import { EntryState } from "./lease.ts";

export interface StopTally {
  readonly rollout: number;
  readonly stopEpoch: number;
  /** Devices that had an offer and had not answered it when the stop came. */
  readonly held: number;
  /** Of those: the withdrawal was written to the connection. */
  told: number;
  /** Of those: acknowledged the withdrawal. */
  confirmed: number;
  /** Of those: the answer to the offer came first. */
  answered: number;
  /** Of those: the connection or the lease ended first. */
  gone: number;
}

interface Entry {
  readonly tally: StopTally;
  /** The stop is on disk and was acknowledged: only then later counts may follow. */
  isAcknowledged: boolean;
  /** The center does not have these counts. */
  hasChanged: boolean;
}

export class StopTallies {
  readonly #entries = new Map<number, Entry>();

  /** A stop that is heard of again goes on with its counts. */
  open(stop: Pick<StopTally, "rollout" | "stopEpoch" | "held" | "told">): void {
    if (this.#entries.get(stop.rollout)?.tally.stopEpoch === stop.stopEpoch) return;
    const tally = { ...stop, confirmed: 0, answered: 0, gone: 0 };
    this.#entries.set(stop.rollout, { tally, isAcknowledged: false, hasChanged: true });
  }

  /** An entry of the rollout went from one state to another. */
  moved(rollout: number, from: EntryState, to: EntryState): void {
    const entry = this.#entries.get(rollout);
    if (entry === undefined) return;
    if (from === EntryState.Withdrawing && to === EntryState.Withdrawn) entry.tally.told += 1;
    else if (from === EntryState.Withdrawn && to === EntryState.Confirmed) {
      entry.tally.confirmed += 1;
    } else return;
    entry.hasChanged = true;
  }

  /** An entry of the rollout was closed in this state. */
  ended(rollout: number, state: EntryState, why: "answered" | "gone"): void {
    if (state !== EntryState.Withdrawing && state !== EntryState.Withdrawn) return;
    const entry = this.#entries.get(rollout);
    if (entry === undefined) return;
    entry.tally[why] += 1;
    entry.hasChanged = true;
  }

  /** The stop is on disk: its counts as they are now, for the acknowledgement. */
  acknowledge(rollout: number): StopTally | undefined {
    const entry = this.#entries.get(rollout);
    if (entry === undefined) return undefined;
    entry.isAcknowledged = true;
    return this.#taken(entry);
  }

  /** Counts to say after the acknowledgement: those that are complete, or all that changed. */
  changed(which: "complete" | "all"): readonly StopTally[] {
    if (this.#entries.size === 0) return [];
    return [...this.#entries.values()]
      .filter(
        (entry) =>
          entry.isAcknowledged && entry.hasChanged && (which === "all" || isComplete(entry.tally)),
      )
      .map((entry) => this.#taken(entry));
  }

  /** A complete one is forgotten. */
  #taken(entry: Entry): StopTally {
    entry.hasChanged = false;
    if (isComplete(entry.tally)) this.#entries.delete(entry.tally.rollout);
    return { ...entry.tally };
  }
}

function isComplete({ held, confirmed, answered, gone }: StopTally): boolean {
  return confirmed + answered + gone === held;
}
