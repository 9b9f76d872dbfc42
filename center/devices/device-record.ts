// SPDX-License-Identifier: Apache-2.0
/** A device as the Store keeps it: what operators say of it and what it last said of itself. */
import { z } from "zod";
import type { DeviceFacts } from "../../domain/device.ts";
import type { Json, StoredDevice } from "../../ports/store.ts";

export interface DeviceRecord {
  readonly region: string;
  readonly site: string;
  readonly labels: { readonly [name: string]: string };
  readonly serviceLevel: string;
  readonly critical: boolean;
  readonly retired: boolean;
  /** From its hello. */
  readonly inventory: { readonly [name: string]: string };
  readonly agent: string;
  readonly registeredAtMs: number;
}

const stored: z.ZodType<DeviceRecord> = z.object({
  region: z.string(),
  site: z.string(),
  labels: z.record(z.string(), z.string()),
  serviceLevel: z.string(),
  critical: z.boolean(),
  retired: z.boolean(),
  inventory: z.record(z.string(), z.string()),
  agent: z.string(),
  registeredAtMs: z.number(),
});

export function readDevice(device: StoredDevice): DeviceRecord {
  return stored.parse(device.value);
}

export function deviceJson(record: DeviceRecord): Json {
  return record as unknown as Json;
}

/** What selectors and the planner see. */
export function factsOf(device: StoredDevice): DeviceFacts {
  return { ...readDevice(device), ordinal: device.ordinal, id: device.id };
}
