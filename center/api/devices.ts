// SPDX-License-Identifier: Apache-2.0
/** DeployService: devices. */
import type { ServiceImpl } from "@connectrpc/connect";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { MusterError } from "../../domain/errors.ts";
import { SLOT_NAMES } from "../../domain/running-page.ts";
import { compileSelector } from "../../domain/selector/matches.ts";
import { parseSelector } from "../../domain/selector/parser.ts";
import type { Clock } from "../../ports/clock.ts";
import type { DocumentWrite, Store, StoredDevice } from "../../ports/store.ts";
import {
  Presence,
  type DeployService,
  type DeviceSchema,
} from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { mapInTurns } from "../../runtime/map-in-turns.ts";
import type { DeviceChanges } from "../devices/device-changes.ts";
import { factsOf, readDevice } from "../devices/device-record.ts";
import { registerDevices, retireDevice, MAX_REGISTRATIONS } from "../devices/device-registrar.ts";
import type { OscoreCredentials } from "../devices/oscore-credentials.ts";
import { explainDevice, type ExplainOptions } from "../devices/device-explainer.ts";
import { actorOf, authorize, pageSizeOf, reasonOf } from "./call.ts";

/** Makes enrolment tokens: the text and what must be committed before it is given out. */
export type MakeToken = (grant: {
  role: "device" | "gateway";
  scope: string;
  id: string;
  hosts: readonly string[];
  lifetimeMs: number;
}) => { token: string; write: DocumentWrite };

export interface DevicesOptions extends ExplainOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly makeToken: MakeToken;
  readonly changes: DeviceChanges;
  readonly oscore: OscoreCredentials;
  /** Closes a live session of the device. */
  readonly dropSession: (ordinal: number, why: "retired" | "rekeyed") => void;
}

type Methods =
  | "registerDevices"
  | "enrolDevices"
  | "getDevice"
  | "listDevices"
  | "retireDevice"
  | "explainDevice";

/** Devices read at a time while a selector looks for its page. */
const SCAN_PAGE = 10_000;

export function deviceMethods(
  options: DevicesOptions,
): Pick<ServiceImpl<typeof DeployService>, Methods> {
  const { store } = options;
  return {
    registerDevices: async (request, context) => {
      const tenant = authorize(context, request.tenant, "operator");
      const who = { tenant, actor: actorOf(context), reason: reasonOf(request.mutation) };
      const rekeyed = (ordinals: readonly number[]): void =>
        ordinals.forEach((ordinal) => options.dropSession(ordinal, "rekeyed"));
      return registerDevices({ ...options, rekeyed }, request.devices, who, context.signal);
    },
    enrolDevices: async (request, context) => {
      const tenant = authorize(context, request.tenant, "operator");
      const who = { tenant, actor: actorOf(context), reason: reasonOf(request.mutation) };
      const lifetimeMs = Number(request.lifetimeMs);
      return enrol(options, request.devices, lifetimeMs, who, context.signal);
    },
    getDevice: async (request, context) => {
      const tenant = authorize(context, request.tenant, "viewer");
      const device = await find(store, tenant, request.id, context.signal);
      return { device: deviceMessage(options, device) };
    },
    listDevices: async (request, context) => {
      const tenant = authorize(context, request.tenant, "viewer");
      const selects = compileSelector(parseSelector(request.selector));
      const limit = pageSizeOf(request.pageSize);
      const found: StoredDevice[] = [];
      let afterOrdinal = request.pageToken === "" ? 0 : Number(request.pageToken);
      for (;;) {
        const page = await store.listDevices({
          tenant,
          afterOrdinal,
          limit: SCAN_PAGE,
          signal: context.signal,
        });
        for (const device of page) {
          if (!selects(factsOf(device))) continue;
          found.push(device);
          if (found.length > limit) break;
        }
        if (found.length > limit || page.length < SCAN_PAGE) break;
        afterOrdinal = page.at(-1)?.ordinal ?? afterOrdinal;
      }
      const shown = found.slice(0, limit);
      return {
        devices: shown.map((device) => deviceMessage(options, device)),
        nextPageToken: found.length > limit ? String(shown.at(-1)?.ordinal ?? "") : "",
      };
    },
    retireDevice: async (request, context) => {
      const tenant = authorize(context, request.tenant, "operator");
      const who = { tenant, actor: actorOf(context), reason: reasonOf(request.mutation) };
      const device = await find(store, tenant, request.id, context.signal);
      const retired = readDevice(device).retired
        ? device
        : await retireDevice(store, device, who, context.signal);
      options.changes.note([device.ordinal]);
      options.dropSession(device.ordinal, "retired");
      return { device: deviceMessage(options, retired) };
    },
    explainDevice: async (request, context) => {
      const tenant = authorize(context, request.tenant, "viewer");
      const device = await find(store, tenant, request.id, context.signal);
      return explainDevice(options, device, request.rollout, context.signal);
    },
  };
}

async function find(
  store: Store,
  tenant: string,
  id: string,
  signal: AbortSignal,
): Promise<StoredDevice> {
  const device = await store.getDevice(tenant, id, { signal });
  if (device !== null) return device;
  throw new MusterError({
    code: "not_found",
    message: `there is no device ${JSON.stringify(id.slice(0, 140))} in tenant ${tenant}`,
    detail: { hint: "see what there is: muster get devices" },
  });
}

async function enrol(
  options: DevicesOptions,
  ids: readonly string[],
  lifetimeMs: number,
  who: { tenant: string; actor: string; reason: string },
  signal: AbortSignal,
): Promise<{ tokens: string[] }> {
  if (ids.length > MAX_REGISTRATIONS) {
    throw new MusterError({
      code: "too_large",
      message: `${ids.length} tokens at once; the limit is ${MAX_REGISTRATIONS}`,
      detail: { field: "devices" },
    });
  }
  const devices = await mapInTurns(ids, (id) => find(options.store, who.tenant, id, signal));
  for (const device of devices) {
    if (!readDevice(device).retired) continue;
    throw new MusterError({
      code: "failed_precondition",
      message: `cannot enrol device ${device.id}: it is retired`,
      detail: { hint: "register the machine under a new id" },
    });
  }
  const made = devices.map(({ id }) =>
    options.makeToken({ role: "device", scope: who.tenant, id, hosts: [], lifetimeMs }),
  );
  const subject = ids.length === 1 ? `device/${who.tenant}/${ids[0] ?? ""}` : "devices";
  const audit = [{ ...who, action: "device.enrol", subject, detail: { deviceCount: ids.length } }];
  const documents = made.map(({ write }) => write);
  if (documents.length > 0) await options.store.commit({ documents, audit }, { signal });
  return { tokens: made.map(({ token }) => token) };
}

const PRESENCE = {
  "never-seen": Presence.UNSPECIFIED,
  online: Presence.ONLINE,
  offline: Presence.OFFLINE,
  unknown: Presence.UNKNOWN,
} as const;

/** A device as the wire shows it. */
function deviceMessage(
  options: DevicesOptions,
  device: StoredDevice,
): MessageInitShape<typeof DeviceSchema> {
  const record = readDevice(device);
  const { ordinal, tenant, id } = device;
  const { fleet, releases, gatewayName } = options;
  const digests = options.digests();
  const running = SLOT_NAMES.flatMap((slot, index) => {
    const runs = options.running().get(ordinal, index);
    const digest = digests.digestOf(runs.release);
    if (!runs.known || digest === "") return [];
    const release = releases.byManifestDigest(digest);
    const { generation, healthy } = runs;
    const name = release === undefined ? "" : `${release.name}@${release.version}`;
    return [{ slot, digest, release: name, generation, healthy }];
  });
  return {
    tenant,
    id,
    ordinal,
    revision: BigInt(device.revision),
    region: record.region,
    site: record.site,
    labels: { ...record.labels },
    serviceLevel: record.serviceLevel,
    critical: record.critical,
    retired: record.retired,
    inventory: { ...record.inventory },
    presence: PRESENCE[fleet.presence(ordinal)],
    gateway: gatewayName(fleet.gatewayOf(ordinal)),
    lastSeenAtMs: BigInt(Math.round(fleet.sawAt(ordinal))),
    running,
    registeredAtMs: BigInt(record.registeredAtMs),
    oscoreSenderId: record.oscoreSenderId ?? "",
  };
}
