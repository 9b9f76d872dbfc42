// SPDX-License-Identifier: Apache-2.0
/**
 * Which gateways there are: id, ip, port, services, timestamp. Registered by their first hello,
 * watched by heartbeats like devices: three misses and a gateway is offline, its devices `unknown`,
 * and the other gateways are told.
 */
import { z } from "zod";
import type { Clock } from "../../ports/clock.ts";
import type { Json, Store } from "../../ports/store.ts";
import { MusterError } from "../../domain/errors.ts";
import { gatewayOfWorker } from "../../protocol/link/gateway-worker.ts";

export interface GatewayService {
  readonly name: string;
  readonly port: number;
}

export interface GatewayRecord {
  /** Stable, from 1; what tables keep instead of the id. */
  readonly number: number;
  readonly gateway: string;
  readonly region: string;
  readonly ip: string;
  readonly services: readonly GatewayService[];
  readonly registeredAtMs: number;
  readonly version: string;
  /** Devices above which it sends further ones to other gateways; 0 = it sends none. */
  readonly connectionLimit: number;
}

/** A record and what is known of the gateway now. */
export interface GatewayStatus extends GatewayRecord {
  readonly online: boolean;
  readonly lastSeenAtMs: number;
  readonly changedAtMs: number;
  readonly connectedDevices: number;
}

const stored: z.ZodType<GatewayRecord> = z.object({
  number: z.int().min(1).max(0xffff),
  gateway: z.string(),
  region: z.string(),
  ip: z.string(),
  services: z.array(z.object({ name: z.string(), port: z.int() })),
  registeredAtMs: z.number(),
  version: z.string(),
  connectionLimit: z.int().min(0).default(0),
});

interface Entry {
  record: GatewayRecord;
  revision: number;
  online: boolean;
  heardAtMs: number;
  lastSeenAtMs: number;
  /** `lastSeenAtMs` when it said its newest hello. */
  heardBeforeMs: number;
  changedAtMs: number;
  connectedDevices: number;
}

/** Gateways in one installation: their number fits the fleet table's column. */
const MAX_GATEWAYS = 10_000;
const LOAD_PAGE = 1_000;

function statusOf(entry: Entry): GatewayStatus {
  const { record, online, lastSeenAtMs, changedAtMs, connectedDevices } = entry;
  return { ...record, online, lastSeenAtMs, changedAtMs, connectedDevices };
}

/**
 * Two workers of one gateway: the one that is online has the right ports, and whoever is not has no
 * devices and wants none, whatever was last heard of it.
 */
function joined(one: GatewayStatus, other: GatewayStatus): GatewayStatus {
  const [first, second] = one.online || !other.online ? [one, other] : [other, one];
  const known = new Set(first.services.map(({ name }) => name));
  const more = second.online ? second.services.filter(({ name }) => !known.has(name)) : [];
  return {
    ...first,
    gateway: one.gateway,
    services: [...first.services, ...more],
    lastSeenAtMs: Math.max(one.lastSeenAtMs, other.lastSeenAtMs),
    changedAtMs: Math.max(one.changedAtMs, other.changedAtMs),
    connectedDevices: ifOnline(one, one.connectedDevices) + ifOnline(other, other.connectedDevices),
    connectionLimit: ifOnline(one, one.connectionLimit) + ifOnline(other, other.connectionLimit),
  };
}

function ifOnline({ online }: GatewayStatus, count: number): number {
  return online ? count : 0;
}

export class GatewayRegistry {
  private readonly entries = new Map<string, Entry>();
  /** Numbers are given in order, from 1. */
  private readonly byNumber: (Entry | undefined)[] = [];
  /** Highest number given out: two gateways that register at once get two. */
  private lastNumber = 0;
  private readonly store: Store;
  private readonly clock: Clock;
  private readonly silenceMs: number;
  private readonly onChange: (gatewayNumber: number, online: boolean) => void;

  /** `silenceMs`: heartbeat interval × misses allowed. */
  constructor(options: {
    store: Store;
    clock: Clock;
    silenceMs: number;
    onChange: (gatewayNumber: number, online: boolean) => void;
  }) {
    this.store = options.store;
    this.clock = options.clock;
    this.silenceMs = options.silenceMs;
    this.onChange = options.onChange;
  }

  async load(signal: AbortSignal): Promise<void> {
    let after: string | undefined;
    for (;;) {
      const page = await this.store.listDocuments("gateway", {
        prefix: "",
        ...(after === undefined ? {} : { after }),
        limit: LOAD_PAGE,
        signal,
      });
      for (const { value, revision } of page) this.remember(stored.parse(value), revision);
      after = page.at(-1)?.key;
      if (page.length < LOAD_PAGE) return;
    }
  }

  /** A hello: registers the gateway or updates what changed. Returns its number. */
  async register(
    hello: Omit<GatewayRecord, "number" | "registeredAtMs">,
    signal: AbortSignal,
  ): Promise<number> {
    const known = this.entries.get(hello.gateway);
    if (known === undefined && this.entries.size >= MAX_GATEWAYS) {
      throw new MusterError({
        code: "resource_exhausted",
        message: `gateway ${hello.gateway} cannot register: ${MAX_GATEWAYS} are registered already`,
      });
    }
    const record: GatewayRecord = {
      ...hello,
      number: known?.record.number ?? ++this.lastNumber,
      registeredAtMs: known?.record.registeredAtMs ?? this.clock.wallMs(),
    };
    if (JSON.stringify(known?.record) !== JSON.stringify(record)) {
      await this.save(record, known?.revision ?? 0, signal);
      this.remember(record, (known?.revision ?? 0) + 1);
    }
    const entry = this.entries.get(hello.gateway);
    if (entry !== undefined) entry.heardBeforeMs = entry.lastSeenAtMs;
    this.setOnline(hello.gateway, true);
    return record.number;
  }

  private async save(record: GatewayRecord, revision: number, signal: AbortSignal): Promise<void> {
    const result = await this.store.commit(
      {
        documents: [
          {
            kind: "gateway",
            key: record.gateway,
            expectedRevision: revision,
            value: record as unknown as Json,
          },
        ],
        audit: [
          {
            tenant: "*",
            actor: `gateway:${record.gateway}`,
            action: revision === 0 ? "gateway.register" : "gateway.update",
            subject: `gateway/${record.gateway}`,
            reason: "hello",
            detail: record as unknown as Json,
          },
        ],
      },
      { signal },
    );
    if (!result.ok) {
      throw new MusterError({
        code: "unavailable",
        message: `gateway ${record.gateway} said hello twice at once; it should say it again`,
      });
    }
  }

  private remember(record: GatewayRecord, revision: number): void {
    const before = this.entries.get(record.gateway);
    const entry: Entry = {
      online: false,
      heardAtMs: 0,
      lastSeenAtMs: 0,
      heardBeforeMs: 0,
      changedAtMs: record.registeredAtMs,
      connectedDevices: 0,
      ...before,
      record,
      revision,
    };
    this.entries.set(record.gateway, entry);
    this.byNumber[record.number] = entry;
    this.lastNumber = Math.max(this.lastNumber, record.number);
  }

  heard(gateway: string, connectedDevices: number): void {
    const entry = this.entries.get(gateway);
    if (entry === undefined) return;
    entry.connectedDevices = connectedDevices;
    entry.lastSeenAtMs = this.clock.wallMs();
    entry.heardAtMs = this.clock.monotonicMs();
    if (!entry.online) this.setOnline(gateway, true);
  }

  /** Its stream ended, or it has been silent for too long. */
  setOnline(gateway: string, online: boolean): void {
    const entry = this.entries.get(gateway);
    if (entry === undefined) return;
    if (online) {
      entry.heardAtMs = this.clock.monotonicMs();
      entry.lastSeenAtMs = this.clock.wallMs();
    }
    if (entry.online === online) return;
    entry.online = online;
    entry.changedAtMs = this.clock.wallMs();
    this.onChange(entry.record.number, online);
  }

  /** To be called about once a second: finds gateways that fell silent. */
  checkSilence(): void {
    const nowMs = this.clock.monotonicMs();
    for (const entry of this.entries.values()) {
      if (entry.online && nowMs - entry.heardAtMs > this.silenceMs) {
        this.setOnline(entry.record.gateway, false);
      }
    }
  }

  isOnline(gatewayNumber: number): boolean {
    return this.byNumber[gatewayNumber]?.online === true;
  }

  /** Wall ms of the last sign of life before its newest hello; 0 = none in this center's life. */
  heardBeforeMs(gatewayNumber: number): number {
    return this.byNumber[gatewayNumber]?.heardBeforeMs ?? 0;
  }

  /** Null: nobody has this number. */
  statusOf(gatewayNumber: number): GatewayStatus | null {
    const entry = this.byNumber[gatewayNumber];
    return entry === undefined ? null : statusOf(entry);
  }

  nameOf(gatewayNumber: number): string {
    return this.byNumber[gatewayNumber]?.record.gateway ?? "";
  }

  /**
   * Every gateway, by id; one of several workers as one: what of it is online speaks for it, its
   * services are those of all, its devices are counted together.
   */
  whole(): GatewayStatus[] {
    const byId = new Map<string, GatewayStatus>();
    for (const status of this.list()) {
      const gateway = gatewayOfWorker(status.gateway);
      const known = byId.get(gateway);
      byId.set(gateway, known === undefined ? { ...status, gateway } : joined(known, status));
    }
    return [...byId.values()];
  }

  /** Every gateway and every worker of one that has some, by name. */
  list(): GatewayStatus[] {
    return [...this.entries.values()]
      .map(statusOf)
      .sort((a, b) => (a.gateway < b.gateway ? -1 : 1));
  }
}
