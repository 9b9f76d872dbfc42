// SPDX-License-Identifier: Apache-2.0
/**
 * Keeps what devices say in their hello (inventory, agent): written on change only, so that a storm
 * of reconnects costs reads and no writes.
 */
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import type { DeviceWrite, Store, StoredDevice } from "../../ports/store.ts";
import type { Logger } from "../../ports/logger.ts";
import type { Turns } from "../../runtime/turns.ts";
import type { DeviceChanges } from "./device-changes.ts";
import { deviceJson, readDevice } from "./device-record.ts";

const inventorySchema = z.record(z.string().max(64), z.string().max(256));

export interface HelloFacts {
  readonly ordinal: number;
  readonly agent: string;
  readonly inventoryJson: string;
}

export class HelloKeeper {
  private readonly store: Store;
  private readonly logger: Logger;
  private readonly changes: DeviceChanges;
  private readonly turns: Turns;

  /** `turns`: of those who read many devices at once. */
  constructor(options: { store: Store; logger: Logger; changes: DeviceChanges; turns: Turns }) {
    this.turns = options.turns;
    this.store = options.store;
    this.logger = options.logger;
    this.changes = options.changes;
  }

  /** `items`: at most 1,000, of one batch. One that changed meanwhile waits for its next hello. */
  keep(items: readonly HelloFacts[], signal: AbortSignal): Promise<void> {
    return this.turns.take(() => this.keepChanged(items, signal));
  }

  private async keepChanged(items: readonly HelloFacts[], signal: AbortSignal): Promise<void> {
    const ordinals = items.map(({ ordinal }) => ordinal);
    const devices = await this.store.getDevicesByOrdinal(ordinals, { signal });
    const writes = devices.flatMap((device, index) => {
      const item = items[index];
      return device === null || item === undefined ? [] : this.change(device, item);
    });
    if (writes.length === 0) return;
    const result = await this.store.commit({ devices: writes }, { signal });
    this.changes.note(writes.map(({ ordinal }) => ordinal));
    if (result.ok) return;
    for (const write of writes) await this.store.commit({ devices: [write] }, { signal });
  }

  private change(device: StoredDevice, item: HelloFacts): DeviceWrite[] {
    const inventory = parseInventory(item.inventoryJson);
    if (inventory === null) {
      this.logger.warn("a device sent an inventory that cannot be read", { device: device.id });
      return [];
    }
    const before = readDevice(device);
    const after = { ...before, agent: item.agent, inventory };
    if (isDeepStrictEqual(before, after)) return [];
    const { ordinal, tenant, id, revision } = device;
    return [{ ordinal, tenant, id, expectedRevision: revision, value: deviceJson(after) }];
  }
}

function parseInventory(text: string): { [name: string]: string } | null {
  try {
    const parsed = inventorySchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch {
    return null; // Not JSON; the caller logs it.
  }
}
