// SPDX-License-Identifier: Apache-2.0
/**
 * Leases on disk, so that a gateway which restarts within the same boot goes on under them:
 *
 *     leases.json       boot id, stop epochs, and of each lease: expiry, what is closed
 *     leases/{id}.json  what never changes, written once: a line with the entries' columns, then a
 *                       line an offer, as it goes to its device (JSON, so it has no line break)
 *
 * The small file is rewritten on change, many changes in one write. It does not say which offers
 * were sent (that would be a write an offer): after a restart all count as sent.
 *
 * Stop epochs are kept over a boot, leases are not. A file that cannot be read is as good as none:
 * the center gives out new leases, and the old ones stay spent there.
 */
import { join } from "node:path";
import { z } from "zod";
import type { Logger } from "../../ports/logger.ts";
import type { Disk } from "../disk.ts";
import { EntryState, Lease, type LeaseContent } from "./lease.ts";
import type { LeaseTable } from "./lease-table.ts";

/** An id names a file. */
export const LEASE_ID_PATTERN: RegExp = /^[A-Za-z0-9_-]{1,128}$/;

const stateSchema = z.object({
  version: z.literal(1),
  bootId: z.string(),
  stopEpochs: z.array(z.tuple([z.int().min(0), z.int().min(0)])),
  leases: z.array(
    z.object({
      id: z.string().regex(LEASE_ID_PATTERN),
      expiresAtMs: z.number(),
      isRevoked: z.boolean(),
      closed: z.array(z.int().min(0)),
    }),
  ),
});
type JournalState = z.infer<typeof stateSchema>;

const contentSchema = z.object({
  id: z.string(),
  rollout: z.int(),
  stopEpoch: z.int(),
  positions: z.array(z.int()),
  ordinals: z.array(z.int()),
  generations: z.array(z.int()),
  devices: z.array(z.string()),
});

export interface LeaseJournalOptions {
  /** The gateway's data directory. */
  readonly directory: string;
  readonly disk: Disk;
  readonly bootId: string;
  readonly table: LeaseTable;
  readonly logger: Logger;
}

export class LeaseJournal {
  readonly #stateFile: string;
  readonly #contentDirectory: string;
  readonly #disk: Disk;
  readonly #bootId: string;
  readonly #table: LeaseTable;
  readonly #logger: Logger;
  /** Leases whose content lies on disk. */
  readonly #stored = new Set<string>();
  #latest: Promise<void> = Promise.resolve();
  #queued: Promise<void> | null = null;

  constructor(options: LeaseJournalOptions) {
    this.#stateFile = join(options.directory, "leases.json");
    this.#contentDirectory = join(options.directory, "leases");
    this.#disk = options.disk;
    this.#bootId = options.bootId;
    this.#table = options.table;
    this.#logger = options.logger;
  }

  /** Fills the table with what is still valid. Call it once, before anything else. */
  async restore(nowMs: number): Promise<void> {
    await this.#disk.makeFolder(this.#contentDirectory);
    const state = await this.#readState();
    for (const [rollout, stopEpoch] of state?.stopEpochs ?? []) {
      this.#table.raiseStopEpoch(rollout, stopEpoch);
    }
    if (state !== null && state.bootId === this.#bootId) {
      for (const saved of state.leases) await this.#restoreLease(saved, nowMs);
    }
    for (const name of await this.#disk.names(this.#contentDirectory)) {
      if (this.#stored.has(name.replace(/\.json$/, ""))) continue;
      await this.#disk.remove(join(this.#contentDirectory, name));
    }
  }

  /** Writes what never changes of a lease. Throws `no_space` or `internal`. */
  async storeContent(content: LeaseContent): Promise<void> {
    const { offers, ...columns } = content;
    const lines = offers.map(({ buffer, byteOffset, byteLength }) =>
      Buffer.from(buffer, byteOffset, byteLength).toString("utf8"),
    );
    const text = [JSON.stringify(columns), ...lines].join("\n");
    await this.#disk.writeDurable(this.#contentFile(content.id), text);
    this.#stored.add(content.id);
  }

  /**
   * Resolves when everything that the table says now is on disk. Calls while a write is under way
   * share the next one. When it fails the state file is gone: after a crash, better no lease than
   * one that was stopped or given back.
   */
  save(): Promise<void> {
    if (this.#queued !== null) return this.#queued;
    const queued = this.#latest
      .catch(() => {}) // Its own caller has it.
      .then(() => {
        this.#queued = null;
        return this.#write();
      });
    this.#queued = queued;
    this.#latest = queued;
    return queued;
  }

  async #write(): Promise<void> {
    const leases = [...this.#table.leases()];
    const state: JournalState = {
      version: 1,
      bootId: this.#bootId,
      stopEpochs: [...this.#table.stopEpochs()],
      leases: leases.map((lease) => ({
        id: lease.content.id,
        expiresAtMs: lease.expiresAtMs,
        isRevoked: lease.isRevoked,
        closed: closedIndexes(lease),
      })),
    };
    try {
      await this.#disk.writeDurable(this.#stateFile, JSON.stringify(state));
    } catch (error) {
      await this.#disk.remove(this.#stateFile);
      throw error;
    }
    const held = new Set(state.leases.map(({ id }) => id));
    for (const id of this.#stored) {
      if (held.has(id) || this.#table.has(id)) continue;
      this.#stored.delete(id);
      await this.#disk.remove(this.#contentFile(id));
    }
  }

  async #readState(): Promise<JournalState | null> {
    let text: string;
    try {
      text = await this.#disk.readText(this.#stateFile);
    } catch {
      return null; // The first start, or a write failed before.
    }
    try {
      return stateSchema.parse(JSON.parse(text));
    } catch (error) {
      this.#logger.warn("lease file is unreadable and was put aside", { error });
      return null;
    }
  }

  async #restoreLease(saved: JournalState["leases"][number], nowMs: number): Promise<void> {
    try {
      const text = await this.#disk.readText(this.#contentFile(saved.id));
      const [columns = "", ...lines] = text.split("\n");
      const parsed = contentSchema.parse(JSON.parse(columns));
      if (lines.length !== parsed.ordinals.length)
        throw new Error("it has another number of offers");
      const offers = lines.map((line) => Buffer.from(line, "utf8"));
      const lease = new Lease({ content: { ...parsed, offers }, expiresAtMs: saved.expiresAtMs });
      lease.isRevoked = saved.isRevoked;
      lease.isRestored = true;
      for (const index of saved.closed) lease.states[index] = EntryState.Closed;
      lease.openCount -= saved.closed.length;
      if (this.#table.add(lease, nowMs) === "added") this.#stored.add(saved.id);
    } catch (error) {
      this.#logger.warn("a lease could not be restored", { leaseId: saved.id, error });
    }
  }

  #contentFile(id: string): string {
    return join(this.#contentDirectory, `${id}.json`);
  }
}

function closedIndexes(lease: Lease): number[] {
  const indexes: number[] = [];
  lease.states.forEach((state, index) => {
    if (state === EntryState.Closed) indexes.push(index);
  });
  return indexes;
}
