// SPDX-License-Identifier: Apache-2.0
/** Registered devices in PostgreSQL: one row each, found by name or by ordinal. */
import type { ClientBase } from "pg";
import { MusterError } from "../../domain/errors.ts";
import { MAX_ORDINAL } from "../../ports/store-limits.ts";
import type { DeviceName } from "../../ports/store.ts";
import type { DeviceListInput, DeviceRow, DeviceRowWrite } from "../../runtime/store-calls.ts";
import { int8Array, textArray } from "./binary-arrays.ts";
import { prepareSwap } from "./swap.ts";

const SELECT = "SELECT ordinal, tenant, id, revision, value FROM muster.device";

const swap = prepareSwap({
  name: "device",
  keys: [
    { name: "ordinal", type: "bigint" },
    { name: "tenant", type: "text" },
    { name: "id", type: "text" },
  ],
  counter: "revision",
  content: { name: "value", type: "text" },
});

export type DevicesWritten =
  | { readonly ordinals: readonly number[] }
  /** The first that did not match. */
  | { readonly mismatch: DeviceName };

/** In the order asked for, null where there is none. */
export async function getDevices(
  client: ClientBase,
  names: readonly DeviceName[],
): Promise<(DeviceRow | null)[]> {
  const text = `${SELECT} JOIN unnest($1::text[], $2::text[]) AS input (tenant, id)
    USING (tenant, id)`;
  const tenants = textArray(names.map(({ tenant }) => tenant));
  const ids = textArray(names.map(({ id }) => id));
  const { rows } = await client.query<DeviceRow>(text, [tenants, ids]);
  const byName = new Map(rows.map((row) => [nameOf(row), row]));
  return names.map((name) => byName.get(nameOf(name)) ?? null);
}

/** In the order asked for, null where there is none. */
export async function getDevicesByOrdinal(
  client: ClientBase,
  ordinals: readonly number[],
): Promise<(DeviceRow | null)[]> {
  const text = `${SELECT} WHERE ordinal = ANY($1::bigint[])`;
  const { rows } = await client.query<DeviceRow>(text, [int8Array(ordinals)]);
  const byOrdinal = new Map(rows.map((row) => [row.ordinal, row]));
  return ordinals.map((ordinal) => byOrdinal.get(ordinal) ?? null);
}

export async function listDevices(
  client: ClientBase,
  { tenant, afterOrdinal, limit }: DeviceListInput,
): Promise<DeviceRow[]> {
  const ofTenant = tenant === null ? "" : "AND tenant = $3";
  const text = `${SELECT} WHERE ordinal > $1 ${ofTenant} ORDER BY ordinal LIMIT $2`;
  const values = tenant === null ? [afterOrdinal, limit] : [afterOrdinal, limit, tenant];
  return (await client.query<DeviceRow>(text, values)).rows;
}

/**
 * Registers and updates. The counter's row is locked until the transaction ends, so ordinals have
 * no gaps: what is rolled back gives its ordinals back before anybody else can draw.
 */
export async function writeDevices(
  client: ClientBase,
  writes: readonly DeviceRowWrite[],
): Promise<DevicesWritten> {
  let ordinal = await drawOrdinals(client, writes.filter(isNew).length);
  const swaps = writes.map((write) => {
    const { tenant, id, expectedRevision, value } = write;
    const keys = [isNew(write) ? (ordinal += 1) : write.ordinal, tenant, id];
    // Revision 0 with an ordinal is no row's revision, and must not insert one.
    const expected = isNew(write) || expectedRevision > 0 ? expectedRevision : -1;
    return { keys, expected, content: value };
  });
  const place = await swap(client, swaps);
  const mismatch = place === null ? undefined : writes[place];
  if (mismatch !== undefined) return { mismatch };
  return { ordinals: swaps.map(({ keys }) => Number(keys[0])) };
}

/** The ordinal before the first drawn one. */
async function drawOrdinals(client: ClientBase, count: number): Promise<number> {
  if (count === 0) return 0;
  const text = "UPDATE muster.last_ordinal SET value = value + $1 RETURNING value";
  const { rows } = await client.query<{ value: number }>(text, [count]);
  const last = rows[0]?.value ?? Number.NaN;
  if (last <= MAX_ORDINAL) return last - count;
  throw new MusterError({
    code: "resource_exhausted",
    message: `cannot register ${count} devices: all ${MAX_ORDINAL} ordinals are used`,
    detail: { hint: "start a second installation" },
  });
}

function isNew(write: DeviceRowWrite): boolean {
  return write.ordinal === 0 && write.expectedRevision === 0;
}

function nameOf({ tenant, id }: DeviceName): string {
  return `${tenant}/${id}`;
}
