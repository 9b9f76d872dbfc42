// SPDX-License-Identifier: Apache-2.0
/** DeployService: gateways, operator tokens, the audit log and the center's own state. */
import type { ServiceImpl } from "@connectrpc/connect";
import { MusterError } from "../../domain/errors.ts";
import { checkName, checkTenant } from "../../domain/identity.ts";
import type { AuditQuery, Store } from "../../ports/store.ts";
import { auditRecordOf } from "../../protocol/audit-record.ts";
import type { DeployService, ListAuditRequest } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import type { GatewayRegistry } from "../link/gateway-registry.ts";
import { actorOf, authorize, authorizeAll, operatorOf, pageSizeOf, reasonOf } from "./call.ts";
import type { MakeToken } from "./devices.ts";
import {
  DEFAULT_LIFETIME_MS,
  ROLES,
  type OperatorTokens,
  type TokenRecord,
} from "./operator-tokens.ts";

export interface InstallationOptions {
  readonly store: Store;
  readonly registry: GatewayRegistry;
  readonly tokens: OperatorTokens;
  readonly makeToken: MakeToken;
  readonly status: () => {
    version: string;
    caSha256: string;
    rootSha256: string;
    onlineDevices: number;
    openRollouts: number;
    enrolmentUrl: string;
    linkAddress: string;
    dataDirectory: string;
  };
}

/** A subject is shorter. */
const MAX_PATTERN_CHARACTERS = 300;

type Methods =
  | "enrolGateway"
  | "listGateways"
  | "listAudit"
  | "createToken"
  | "listTokens"
  | "revokeToken"
  | "getStatus";

export function installationMethods(
  options: InstallationOptions,
): Pick<ServiceImpl<typeof DeployService>, Methods> {
  return { ...gatewayMethods(options), ...tokenMethods(options), ...recordMethods(options) };
}

function gatewayMethods(
  options: InstallationOptions,
): Pick<ServiceImpl<typeof DeployService>, "enrolGateway" | "listGateways"> {
  const { store, registry } = options;
  return {
    enrolGateway: async (request, context) => {
      authorizeAll(context, "admin");
      checkName(request.gateway, "gateway id", "gateway");
      checkName(request.region, "region", "region");
      const { token, write } = options.makeToken({
        role: "gateway",
        scope: request.region,
        id: request.gateway,
        hosts: request.hosts,
        lifetimeMs: Number(request.lifetimeMs),
      });
      const entry = {
        tenant: "*",
        actor: actorOf(context),
        action: "gateway.enrol",
        subject: `gateway/${request.gateway}`,
        reason: reasonOf(request.mutation),
        detail: { region: request.region, hosts: [...request.hosts] },
      };
      await store.commit({ documents: [write], audit: [entry] }, { signal: context.signal });
      return { token };
    },
    listGateways: (_request, context) => {
      authorize(context, "", "viewer");
      return {
        gateways: registry.list().map((status) => ({
          id: status.gateway,
          region: status.region,
          ip: status.ip,
          services: [...status.services],
          registeredAtMs: BigInt(status.registeredAtMs),
          lastSeenAtMs: BigInt(status.lastSeenAtMs),
          online: status.online,
          connectedDevices: status.connectedDevices,
          version: status.version,
          connectionLimit: status.connectionLimit,
        })),
      };
    },
  };
}

function tokenMethods(
  options: InstallationOptions,
): Pick<ServiceImpl<typeof DeployService>, "createToken" | "listTokens" | "revokeToken"> {
  const { store, tokens } = options;
  return {
    createToken: async (request, context) => {
      authorizeAll(context, "admin");
      checkName(request.name, "token name", "name");
      if (request.tenant !== "*") checkTenant(request.tenant, "tenant");
      const role = ROLES.find((known) => known === request.role);
      if (role === undefined) {
        throw new MusterError({
          code: "invalid_argument",
          message: `${JSON.stringify(request.role)} is no role`,
          detail: { field: "role", hint: `one of: ${ROLES.join(", ")}` },
        });
      }
      const lifetimeMs = Number(request.lifetimeMs);
      const made = await tokens.create({
        name: request.name,
        tenant: request.tenant,
        role,
        lifetimeMs: lifetimeMs === 0 ? DEFAULT_LIFETIME_MS : lifetimeMs,
      });
      const entry = {
        tenant: request.tenant,
        actor: actorOf(context),
        action: "token.create",
        subject: `token/${made.record.tokenId}`,
        reason: reasonOf(request.mutation),
        detail: { name: request.name, role },
      };
      const { signal } = context;
      await store.commit({ documents: [made.write], audit: [entry] }, { signal });
      return { token: made.token, record: tokenMessage(made.record) };
    },
    listTokens: async (_request, context) => {
      authorizeAll(context, "admin");
      return { tokens: (await tokens.list(context.signal)).map(tokenMessage) };
    },
    revokeToken: async (request, context) => {
      authorizeAll(context, "admin");
      const revocation = await tokens.revocation(request.id, context.signal);
      if (revocation === null) {
        throw new MusterError({
          code: "not_found",
          message: `there is no operator token ${JSON.stringify(request.id.slice(0, 80))}`,
          detail: { hint: "see what there is: muster token list" },
        });
      }
      const entry = {
        tenant: revocation.record.tenant,
        actor: actorOf(context),
        action: "token.revoke",
        subject: `token/${request.id}`,
        reason: reasonOf(request.mutation),
        detail: { name: revocation.record.name },
      };
      const { signal } = context;
      await store.commit({ documents: [revocation.write], audit: [entry] }, { signal });
      return { record: tokenMessage(revocation.record) };
    },
  };
}

function tokenMessage(record: TokenRecord): {
  id: string;
  name: string;
  tenant: string;
  role: string;
  expiresAtMs: bigint;
  revoked: boolean;
} {
  const { tokenId, name, tenant, role, revoked } = record;
  return { id: tokenId, name, tenant, role, revoked, expiresAtMs: BigInt(record.expiresAtMs) };
}

function recordMethods(
  options: InstallationOptions,
): Pick<ServiceImpl<typeof DeployService>, "listAudit" | "getStatus"> {
  return {
    listAudit: async (request, context) => {
      const isAll = request.tenant === "" && operatorOf(context).tenant === "*";
      const tenant = isAll ? null : authorize(context, request.tenant, "viewer");
      const { entries, next } = await options.store.listAudit({
        tenant,
        ...auditQueryOf(request),
        signal: context.signal,
      });
      return {
        nextPageToken: next === null ? "" : String(next),
        records: entries.map(auditRecordOf),
      };
    },
    getStatus: async (_request, context) => {
      authorize(context, "", "viewer");
      const deviceCount = await countDevices(options.store, context.signal);
      return { ...options.status(), deviceCount };
    },
  };
}

/** Without its tenant. Throws `invalid_argument` for a page token that is none. */
function auditQueryOf(request: ListAuditRequest): Omit<AuditQuery, "tenant"> {
  const { newestFirst, subject, actor, pageToken } = request;
  if (!/^\d{0,15}$/.test(pageToken)) {
    throw new MusterError({
      code: "invalid_argument",
      message: `${JSON.stringify(pageToken.slice(0, 40))} is no page token of the audit log`,
      detail: { field: "page_token", hint: "take next_page_token of the answer before" },
    });
  }
  checkPattern(subject, "subject");
  checkPattern(actor, "actor");
  const bounds = {
    afterSequence: Number(request.afterSequence),
    beforeSequence: Number(request.beforeSequence) || Number.MAX_SAFE_INTEGER,
  };
  if (pageToken !== "")
    bounds[newestFirst ? "beforeSequence" : "afterSequence"] = Number(pageToken);
  return {
    ...bounds,
    newestFirst,
    subject,
    actor,
    sinceMs: Number(request.sinceMs),
    limit: pageSizeOf(request.pageSize),
  };
}

function checkPattern(pattern: string, field: string): void {
  if (pattern.length <= MAX_PATTERN_CHARACTERS) return;
  throw new MusterError({
    code: "invalid_argument",
    message: `the pattern is longer than ${MAX_PATTERN_CHARACTERS} characters`,
    detail: { field },
  });
}

/** Registered devices, retired ones included: a scan, for a question that is asked rarely. */
async function countDevices(store: Store, signal: AbortSignal): Promise<number> {
  const limit = 10_000;
  let deviceCount = 0;
  for (let afterOrdinal = 0; ;) {
    const page = await store.listDevices({ tenant: null, afterOrdinal, limit, signal });
    deviceCount += page.length;
    afterOrdinal = page.at(-1)?.ordinal ?? afterOrdinal;
    if (page.length < limit) return deviceCount;
  }
}
