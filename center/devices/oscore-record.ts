// SPDX-License-Identifier: Apache-2.0
/**
 * A device's OSCORE keys as the Store keeps them: document `oscore`, key `default/{sender id}`. One
 * space of sender ids over all tenants, for a datagram names no tenant. The master secret is not
 * kept: what is derived from it is all that anybody needs.
 */
import { z } from "zod";
import { MusterError } from "../../domain/errors.ts";
import { DEFAULT_TENANT } from "../../domain/identity.ts";
import type { StoredDocument } from "../../ports/store.ts";

export interface OscoreRecord {
  readonly tenant: string;
  readonly device: string;
  /** By `CredentialSealer`: device's key, gateway's key, common IV. */
  readonly sealed: string;
  /** Of gateways' sender sequence numbers, the last range that was given away; 0 = none. */
  readonly lastRange: number;
}

const schema: z.ZodType<OscoreRecord> = z.object({
  tenant: z.string(),
  device: z.string(),
  sealed: z.string(),
  lastRange: z.int().min(0),
});

/** `senderId`: in hex. */
export function oscoreKey(senderId: string): string {
  return `${DEFAULT_TENANT}/${senderId}`;
}

export function readOscoreRecord({ key, value }: StoredDocument): OscoreRecord {
  const record = schema.safeParse(value);
  if (record.success) return record.data;
  throw new MusterError({
    code: "corrupt",
    message: `the stored keys ${key} do not read back as they were written`,
    cause: record.error,
  });
}

/** What the sealed keys belong to. */
export function ownerOf(
  senderId: string,
  { tenant, device }: Omit<OscoreRecord, "sealed">,
): string {
  return `oscore/${senderId}/${tenant}/${device}`;
}

/** Numbers of a range. */
export const RANGE_NUMBERS = 65_536;
/** A sequence number is below 2^40 (RFC 8613 §7.2.1). */
export const MAX_RANGE: number = 2 ** 24 - 1;
/** 2026-01-01T00:00:00Z. */
const RANGE_ONE_MS = 1_767_225_600_000;
const MINUTE_MS = 60_000;

/**
 * The range to give away after `lastRange`; null when there is none left. It follows the count and
 * the clock, whichever is ahead: after a Store was put back to an earlier state the count is
 * behind, and a number must not be given twice. A range a minute lasts for 31 years.
 */
export function nextRange(lastRange: number, wallMs: number): number | null {
  const minute = Math.floor((wallMs - RANGE_ONE_MS) / MINUTE_MS);
  const range = Math.max(lastRange + 1, minute, 1);
  return range > MAX_RANGE ? null : range;
}
