// SPDX-License-Identifier: Apache-2.0
/** Registers, changes and retires devices: each batch is one commit with one audit entry. */
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { MusterError } from "../../domain/errors.ts";
import { checkDeviceId, checkName } from "../../domain/identity.ts";
import type { Clock } from "../../ports/clock.ts";
import type { DeviceWrite, DocumentWrite, Store, StoredDevice } from "../../ports/store.ts";
import type { DeviceChanges } from "./device-changes.ts";
import type { DeviceSecret, OscoreCredentials, OscoreSecret } from "./oscore-credentials.ts";
import { deviceJson, readDevice, type DeviceRecord } from "./device-record.ts";

/** What an operator says of a device. */
export interface Registration {
  readonly id: string;
  readonly region: string;
  readonly site: string;
  readonly labels: { readonly [name: string]: string };
  readonly serviceLevel: string;
  readonly critical: boolean;
  /** Its OSCORE keys; undefined: those that it has, or none. */
  readonly oscore?: OscoreSecret | undefined;
}

export const MAX_REGISTRATIONS = 1_000;
const MAX_LABELS = 64;
const LABEL_NAME = /^[A-Za-z][A-Za-z0-9._-]{0,62}$/;
const MAX_LABEL_CHARACTERS = 256;

export interface Who {
  readonly tenant: string;
  readonly actor: string;
  readonly reason: string;
}

export interface RegistrationCounts {
  readonly created: number;
  readonly updated: number;
  readonly unchanged: number;
}

export interface RegistrarOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly changes: DeviceChanges;
  /** Needed where a registration has keys. */
  readonly oscore?: OscoreCredentials;
  /** These devices have other keys now: a session with the old ones is to end. */
  readonly rekeyed?: (ordinals: readonly number[]) => void;
}

/** Throws `invalid_argument` at the first bad registration; nothing is registered then. */
export async function registerDevices(
  options: RegistrarOptions,
  registrations: readonly Registration[],
  who: Who,
  signal: AbortSignal,
): Promise<RegistrationCounts> {
  if (registrations.length > MAX_REGISTRATIONS) {
    throw new MusterError({
      code: "too_large",
      message: `${registrations.length} devices at once; the limit is ${MAX_REGISTRATIONS}`,
      detail: { field: "devices" },
    });
  }
  registrations.forEach(checkRegistration);
  const { store } = options;
  const names = registrations.map(({ id }) => ({ tenant: who.tenant, id }));
  const existing = await store.getDevices(names, { signal });
  const documents = await oscoreWrites(options, registrations, who.tenant, signal);
  const rekeyed = new Set(documents.map(({ value }) => (value as { device: string }).device));
  const { writes, created, formerSenderIds } = deviceWrites(options, registrations, existing, who);
  const touched = new Set([...writes.map(({ id }) => id), ...rekeyed]);
  if (touched.size > 0) await commit(store, { writes, documents }, "device.register", who, signal);
  // Keys that no device names any more are given to nobody; they go when the others are there.
  const former = (await options.oscore?.removal(formerSenderIds, signal)) ?? [];
  if (former.length > 0) await store.commit({ documents: former }, { signal });
  // The Store has given the new ones their ordinals.
  const changed = [...touched].map((id) => ({ tenant: who.tenant, id }));
  const stored = changed.length === 0 ? [] : await store.getDevices(changed, { signal });
  const known = stored.flatMap((device) => (device === null ? [] : [device]));
  options.changes.note(known.map(({ ordinal }) => ordinal));
  options.rekeyed?.(known.filter(({ id }) => rekeyed.has(id)).map(({ ordinal }) => ordinal));
  const updated = touched.size - created;
  return { created, updated, unchanged: registrations.length - touched.size };
}

async function oscoreWrites(
  { oscore }: RegistrarOptions,
  registrations: readonly Registration[],
  tenant: string,
  signal: AbortSignal,
): Promise<DocumentWrite[]> {
  const secrets = registrations.flatMap((registration, index): DeviceSecret[] =>
    registration.oscore === undefined
      ? []
      : [{ ...registration.oscore, device: registration.id, field: `devices[${index}].oscore` }],
  );
  if (secrets.length === 0) return [];
  assert(oscore !== undefined, "whoever registers keys has a place for them");
  return oscore.prepare(tenant, secrets, signal);
}

function deviceWrites(
  { clock }: RegistrarOptions,
  registrations: readonly Registration[],
  existing: readonly (StoredDevice | null)[],
  { tenant }: Who,
): { writes: DeviceWrite[]; created: number; formerSenderIds: string[] } {
  const nowMs = clock.wallMs();
  const writes: DeviceWrite[] = [];
  const formerSenderIds: string[] = [];
  let created = 0;
  registrations.forEach((registration, index) => {
    const device = existing[index] ?? null;
    const before = device === null ? null : readDevice(device);
    const after = merge(before, registration, nowMs);
    if (isDeepStrictEqual(before, after)) return;
    if (device === null) created++;
    const former = before?.oscoreSenderId;
    if (former !== undefined && former !== after.oscoreSenderId) formerSenderIds.push(former);
    writes.push({
      ordinal: device?.ordinal ?? 0,
      tenant,
      id: registration.id,
      expectedRevision: device?.revision ?? 0,
      value: deviceJson(after),
    });
  });
  return { writes, created, formerSenderIds };
}

/** Its session is closed by the caller, its certificate is refused from now on. */
export async function retireDevice(
  store: Store,
  device: StoredDevice,
  who: Who,
  signal: AbortSignal,
): Promise<StoredDevice> {
  const record: DeviceRecord = { ...readDevice(device), retired: true };
  const { ordinal, tenant, id, revision } = device;
  const value = deviceJson(record);
  const write = { ordinal, tenant, id, expectedRevision: revision, value };
  await commit(store, { writes: [write], documents: [] }, "device.retire", who, signal);
  return { ...device, revision: revision + 1, value };
}

async function commit(
  store: Store,
  { writes, documents }: { writes: readonly DeviceWrite[]; documents: readonly DocumentWrite[] },
  action: string,
  who: Who,
  signal: AbortSignal,
): Promise<void> {
  const [first] = writes;
  const subject = writes.length === 1 ? `device/${who.tenant}/${first?.id ?? ""}` : "devices";
  const result = await store.commit(
    {
      devices: writes,
      documents,
      audit: [
        {
          ...who,
          action,
          subject,
          detail: {
            deviceCount: writes.length,
            first: first?.id ?? "",
            ...(documents.length === 0 ? {} : { oscoreCount: documents.length }),
          },
        },
      ],
    },
    { signal },
  );
  if (result.ok) return;
  throw new MusterError({
    code: "conflict",
    message: `${result.at} was changed by somebody else at the same time`,
    detail: { hint: "repeat the command" },
  });
}

function merge(
  before: DeviceRecord | null,
  registration: Registration,
  nowMs: number,
): DeviceRecord {
  return {
    inventory: {},
    agent: "",
    registeredAtMs: nowMs,
    retired: false,
    ...before,
    region: registration.region,
    site: registration.site,
    labels: registration.labels,
    // What people are shown is also what a selector finds.
    serviceLevel: registration.serviceLevel === "" ? "standard" : registration.serviceLevel,
    critical: registration.critical,
    ...(registration.oscore === undefined
      ? {}
      : { oscoreSenderId: Buffer.from(registration.oscore.senderId).toString("hex") }),
  };
}

function checkRegistration(registration: Registration, index: number): void {
  const at = `devices[${index}]`;
  checkDeviceId(registration.id, `${at}.id`);
  if (registration.region !== "") checkName(registration.region, "region", `${at}.region`);
  if (registration.site !== "") checkName(registration.site, "site", `${at}.site`);
  const labels = Object.entries(registration.labels);
  if (labels.length > MAX_LABELS) throw bad(`${at}.labels`, `more than ${MAX_LABELS} labels`);
  for (const [name, value] of labels) {
    if (!LABEL_NAME.test(name)) {
      throw bad(
        `${at}.labels`,
        `label name ${JSON.stringify(name)} is not a letter and up to 62 more of A–Z a–z 0–9 . _ -`,
      );
    }
    if (value.length > MAX_LABEL_CHARACTERS) {
      throw bad(`${at}.labels`, `label ${name} is longer than ${MAX_LABEL_CHARACTERS} characters`);
    }
  }
}

function bad(field: string, message: string): MusterError {
  return new MusterError({ code: "invalid_argument", message, detail: { field } });
}
