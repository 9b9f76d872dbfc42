// SPDX-License-Identifier: Apache-2.0
/**
 * Names of tenants, devices and gateways, and how a certificate carries them. A certificate's
 * identity is its one SAN URI: `muster://{tenant}/{device}` for a device,
 * `muster-gateway://{region}/{gateway}` for a gateway. The common name is ignored (X.509 stops it
 * at 64 characters).
 */
import { MusterError } from "./errors.ts";

/** Lower case letters, digits and dashes, 1–63 characters. */
export const TENANT_PATTERN: RegExp = /^[a-z0-9-]{1,63}$/;
/** 1–128 characters, unique in its tenant. */
export const DEVICE_ID_PATTERN: RegExp = /^[A-Za-z0-9._:-]{1,128}$/;
/** Regions, sites, gateway ids, release and rollout names share one form. */
export const NAME_PATTERN: RegExp = /^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$/;
/** The tenant of whoever names none. */
export const DEFAULT_TENANT = "default";

/** Who a client certificate speaks for. */
export type PeerIdentity =
  | { readonly role: "device"; readonly tenant: string; readonly device: string }
  | { readonly role: "gateway"; readonly region: string; readonly gateway: string };

/** The SAN URI of a device certificate. */
export function deviceUri(tenant: string, device: string): string {
  return `muster://${tenant}/${device}`;
}

/** The SAN URI of a gateway certificate. */
export function gatewayUri(region: string, gateway: string): string {
  return `muster-gateway://${region}/${gateway}`;
}

/** Reads a SAN URI; null when it is not one of ours. */
export function parsePeerUri(uri: string): PeerIdentity | null {
  const match = /^(muster|muster-gateway):\/\/([^/]+)\/([^/]+)$/.exec(uri);
  if (match === null) return null;
  const [, scheme, first, second] = match as unknown as [string, string, string, string];
  if (scheme === "muster") {
    if (!TENANT_PATTERN.test(first) || !DEVICE_ID_PATTERN.test(second)) return null;
    return { role: "device", tenant: first, device: second };
  }
  if (!NAME_PATTERN.test(first) || !NAME_PATTERN.test(second)) return null;
  return { role: "gateway", region: first, gateway: second };
}

/** Throws `invalid_argument` when the text is not a device id. */
export function checkDeviceId(id: string, field: string): void {
  if (DEVICE_ID_PATTERN.test(id)) return;
  throw new MusterError({
    code: "invalid_argument",
    message:
      `device id ${JSON.stringify(id.slice(0, 140))} is not 1–128 characters of ` +
      `A–Z a–z 0–9 . _ : -`,
    detail: { field },
  });
}

/** Throws `invalid_argument` when the text is not a tenant name. */
export function checkTenant(tenant: string, field: string): void {
  if (TENANT_PATTERN.test(tenant)) return;
  throw new MusterError({
    code: "invalid_argument",
    message: `tenant ${JSON.stringify(tenant.slice(0, 80))} is not 1–63 characters of a–z 0–9 -`,
    detail: { field },
  });
}

/** Throws `invalid_argument` when the text names no region, site, gateway, release or rollout. */
export function checkName(name: string, what: string, field: string): void {
  if (NAME_PATTERN.test(name)) return;
  throw new MusterError({
    code: "invalid_argument",
    message:
      `${what} ${JSON.stringify(name.slice(0, 80))} is not 1–63 characters of a–z 0–9 . _ - ` +
      `starting and ending with a letter or digit`,
    detail: { field },
  });
}
