// SPDX-License-Identifier: Apache-2.0
/** The rest of what the API lists, as columns. */
import type {
  Attempt,
  AuditRecord,
  Gateway,
  OperatorToken,
  Release,
} from "../../protocol/gen/muster/v1/deploy_pb.ts";
import type { Column } from "../output/table.ts";
import { formatBytes, formatCount, formatInstant } from "../output/units.ts";

export const RELEASE_COLUMNS: readonly Column<Release>[] = [
  { title: "RELEASE", cell: ({ name, version }) => `${name}@${version}` },
  { title: "SLOT", cell: ({ slot }) => slot },
  {
    title: "DOWNLOAD",
    align: "right",
    cell: ({ downloadBytes }) => formatBytes(Number(downloadBytes)),
  },
  { title: "PUBLISHED", cell: ({ publishedAtMs }) => formatInstant(publishedAtMs) },
  { title: "BY", cell: ({ publishedBy }) => publishedBy },
  { title: "SHA-256", cell: ({ sha256 }) => sha256 },
];

export const GATEWAY_COLUMNS: readonly Column<Gateway>[] = [
  { title: "ID", cell: ({ id }) => id },
  { title: "REGION", cell: ({ region }) => region },
  { title: "STATE", cell: ({ online }) => (online ? "online" : "offline") },
  { title: "IP", cell: ({ ip }) => ip },
  {
    title: "SERVICES",
    cell: ({ services }) => services.map(({ name, port }) => `${name}:${port}`).join(" "),
  },
  { title: "DEVICES", align: "right", cell: (gateway) => formatCount(gateway.connectedDevices) },
  {
    title: "WANTS",
    align: "right",
    cell: ({ connectionLimit }) => (connectionLimit === 0 ? "any" : formatCount(connectionLimit)),
  },
  { title: "REGISTERED", cell: ({ registeredAtMs }) => formatInstant(registeredAtMs) },
  { title: "SEEN", cell: ({ lastSeenAtMs }) => formatInstant(lastSeenAtMs) },
  { title: "VERSION", cell: ({ version }) => version },
];

export const ATTEMPT_COLUMNS: readonly Column<Attempt>[] = [
  { title: "DEVICE", cell: ({ device }) => device },
  { title: "WAVE", align: "right", cell: ({ wave }) => String(wave) },
  { title: "STATE", cell: ({ state }) => state },
  { title: "GENERATION", align: "right", cell: ({ generation }) => String(generation) },
  { title: "REASON", cell: ({ reason }) => reason },
  { title: "DETAIL", cell: ({ detail }) => detail },
];

export const TOKEN_COLUMNS: readonly Column<OperatorToken>[] = [
  { title: "ID", cell: ({ id }) => id },
  { title: "NAME", cell: ({ name }) => name },
  { title: "TENANT", cell: ({ tenant }) => tenant },
  { title: "ROLE", cell: ({ role }) => role },
  { title: "EXPIRES", cell: ({ expiresAtMs }) => formatInstant(expiresAtMs) },
  { title: "STATE", cell: ({ revoked }) => (revoked ? "revoked" : "valid") },
];

export const AUDIT_COLUMNS: readonly Column<AuditRecord>[] = [
  { title: "SEQUENCE", align: "right", cell: ({ sequence }) => String(sequence) },
  { title: "TIME", cell: ({ atMs }) => formatInstant(atMs) },
  { title: "TENANT", cell: ({ tenant }) => tenant },
  { title: "ACTOR", cell: ({ actor }) => actor },
  { title: "ACTION", cell: ({ action }) => action },
  { title: "SUBJECT", cell: ({ subject }) => subject },
  { title: "REASON", cell: ({ reason }) => reason },
];
