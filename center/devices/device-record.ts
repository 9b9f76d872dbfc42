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
  /** Of its OSCORE keys, in hex; absent: it has none. */
  readonly oscoreSenderId?: string | undefined;
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
  oscoreSenderId: z.string().optional(),
});

export function readDevice({ value }: StoredDevice): DeviceRecord {
  // A million of them are read for a plan: only one that looks wrong is looked at closely.
  return isDeviceRecord(value) ? value : stored.parse(value);
}

function isDeviceRecord(value: unknown): value is DeviceRecord {
  const record = value as { readonly [name in keyof DeviceRecord]?: unknown } | null;
  return (
    typeof record === "object" &&
    record !== null &&
    typeof record.region === "string" &&
    typeof record.site === "string" &&
    typeof record.serviceLevel === "string" &&
    typeof record.agent === "string" &&
    typeof record.critical === "boolean" &&
    typeof record.retired === "boolean" &&
    typeof record.registeredAtMs === "number" &&
    (record.oscoreSenderId === undefined || typeof record.oscoreSenderId === "string") &&
    isTexts(record.labels) &&
    isTexts(record.inventory)
  );
}

function isTexts(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  for (const name in value) {
    if (typeof (value as { [name: string]: unknown })[name] !== "string") return false;
  }
  return true;
}

export function deviceJson(record: DeviceRecord): Json {
  return record as unknown as Json;
}

/** What selectors and the planner see. */
export function factsOf(device: StoredDevice): DeviceFacts {
  return { ...readDevice(device), ordinal: device.ordinal, id: device.id };
}
