// SPDX-License-Identifier: Apache-2.0
/**
 * Where things are in the agent's data folder:
 *
 * ```
 * journal.json              what the agent is doing, all slots (state/journal.ts)
 * agent.lock                one agent a folder: SQLite's lock; the kernel drops it with the process
 * identity/  trust/         key, certificate, anchors, TUF metadata (trust/)
 * time.json                 the latest time known to have passed (time-floor.ts)
 * gateways.json             the center's directory of gateways, for when the center is away
 * slots/<slot>/a/  b/       the two sides: nothing but what releases put there
 * slots/<slot>/a.json       what side a holds (slots/side-record.ts), beside the content
 * slots/<slot>/slot.json    the highest generation accepted, for when the journal is lost
 * slots/<slot>/current      symbolic link to a or b: what runs; absent = nothing is installed
 * downloads/<sha256>        complete and verified; <sha256>.part = not complete; <sha256>.caibx =
 *                           its chunk index
 * seeds/<slot>/<sha256>     archives of what was installed last, and their chunk indexes: what the
 *                           next download takes chunks from (download/seed-store.ts)
 * reports/                  reports not yet acknowledged
 * ```
 */
import { join } from "node:path";
import type { Slot } from "../../protocol/device/status.ts";

export const SIDES = ["a", "b"] as const;
export type Side = (typeof SIDES)[number];
/** What runs; `none` = nothing is installed in the slot. */
export type ActiveSide = Side | "none";

export interface DataLayout {
  readonly journal: string;
  /** What runtime/sqlite-lock.ts takes: the lock's file is this with ".lock" behind it. */
  readonly lock: string;
  readonly timeFloor: string;
  readonly slots: string;
  readonly downloads: string;
  readonly seeds: string;
  readonly reports: string;
  readonly directory: string;
  slotFolder(slot: Slot): string;
  slotRecord(slot: Slot): string;
  current(slot: Slot): string;
  sideFolder(slot: Slot, side: Side): string;
  sideRecord(slot: Slot, side: Side): string;
  seedFolder(slot: Slot): string;
  download(sha256: string): string;
}

/** `dataDirectory` is absolute. */
export function dataLayout(dataDirectory: string): DataLayout {
  const slots = join(dataDirectory, "slots");
  const downloads = join(dataDirectory, "downloads");
  const seeds = join(dataDirectory, "seeds");
  return {
    journal: join(dataDirectory, "journal.json"),
    lock: join(dataDirectory, "agent"),
    timeFloor: join(dataDirectory, "time.json"),
    slots,
    downloads,
    seeds,
    reports: join(dataDirectory, "reports"),
    directory: join(dataDirectory, "gateways.json"),
    slotFolder: (slot) => join(slots, slot),
    slotRecord: (slot) => join(slots, slot, "slot.json"),
    current: (slot) => join(slots, slot, "current"),
    sideFolder: (slot, side) => join(slots, slot, side),
    sideRecord: (slot, side) => join(slots, slot, `${side}.json`),
    seedFolder: (slot) => join(seeds, slot),
    download: (sha256) => join(downloads, sha256),
  };
}

/** The chunk index beside a blob, wherever that lies. */
export function indexBeside(blobPath: string): string {
  return `${blobPath}.caibx`;
}

/** The side that is not `active`; `a` for a slot in which nothing runs. */
export function otherSide(active: ActiveSide): Side {
  return active === "a" ? "b" : "a";
}
