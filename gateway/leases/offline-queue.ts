// SPDX-License-Identifier: Apache-2.0
/**
 * Who may get entries of a new lease: devices that are connected, and those that are away with a
 * session that is held. For these the entries wait here, as a broker's queue would hold messages,
 * and stay under their lease all the while: they expire with it, and a stop finds them.
 *
 * Limits: of a device that is away, 32 entries (no more may be in flight when it is back) and
 * 64 KiB of offers (what its output holds then); the rest goes back to the center.
 */
import type { KeptSessions } from "../sessions/kept-sessions.ts";
import type { SessionTable } from "../sessions/session-table.ts";
import type { LeaseTable } from "./lease-table.ts";

export const MAX_QUEUED_ENTRIES = 32;
export const MAX_QUEUED_BYTES = 65_536;

export interface OfflineQueueOptions {
  readonly table: SessionTable;
  readonly kept: KeptSessions;
  readonly leases: LeaseTable;
}

/** The device of each entry of one lease; "": it is not here, and may not wait. */
export function recipients(
  options: OfflineQueueOptions,
  ordinals: readonly number[],
  offers: readonly Uint8Array[],
): string[] {
  const { table, kept, leases } = options;
  const queued = new Map<string, { count: number; bytes: number }>();
  return ordinals.map((ordinal, index) => {
    const slot = table.slotOfOrdinal(ordinal);
    if (slot !== -1) return table.device(slot);
    const device = kept.deviceOfOrdinal(ordinal);
    if (device === "") return "";
    const waiting = queued.get(device) ?? queuedOf(leases, device);
    waiting.count += 1;
    waiting.bytes += offers[index]?.length ?? 0;
    queued.set(device, waiting);
    return waiting.count > MAX_QUEUED_ENTRIES || waiting.bytes > MAX_QUEUED_BYTES ? "" : device;
  });
}

function queuedOf(leases: LeaseTable, device: string): { count: number; bytes: number } {
  const entries = leases.entriesOf(device);
  const bytes = entries.reduce(
    (sum, { lease, index }) => sum + (lease.content.offers[index]?.length ?? 0),
    0,
  );
  return { count: entries.length, bytes };
}
