// SPDX-License-Identifier: Apache-2.0
/** The inside of a center: fleet, leases, sessions, and the rollout loop between them. */
import type { Clock } from "../ports/clock.ts";
import type { EventLog } from "../ports/event-log.ts";
import type { Fence, Store } from "../ports/store.ts";
import { faultPoint, isPlanted } from "../runtime/faults.ts";
import { Turns } from "../runtime/turns.ts";
import { DEFAULT_HEARTBEAT_MS, DEFAULT_MISSES, type CenterBase } from "./base.ts";
import { DeviceChanges } from "./devices/device-changes.ts";
import { OscoreCredentials } from "./devices/oscore-credentials.ts";
import { areCertificatesRevoked } from "./identity/issued-certificates.ts";
import { GatewayRegistry } from "./link/gateway-registry.ts";
import { LinkHub } from "./link/link-hub.ts";
import { SessionDesk, type SessionDeskOptions } from "./link/session-desk.ts";
import { createCenterMetrics, type CenterMetrics } from "./metrics.ts";
import { ReleaseIndex } from "./releases/release-index.ts";
import { createAnalysisClient } from "./rollouts/analysis-client.ts";
import { AnalysisDesk } from "./rollouts/analysis-desk.ts";
import { LeaseDesk } from "./rollouts/lease-desk.ts";
import { LoopInbox } from "./rollouts/loop-inbox.ts";
import { OfferDesk } from "./rollouts/offer-desk.ts";
import { releaseLookup } from "./rollouts/previous-target.ts";
import { RolloutLoop, type LoopOutputs } from "./rollouts/rollout-loop.ts";
import { RolloutWatchers } from "./rollouts/rollout-watchers.ts";
import { StopLedger } from "./rollouts/stop-ledger.ts";
import { DeviceNames } from "./state/device-names.ts";
import { FleetTable } from "./state/fleet-table.ts";

export interface CenterCore {
  readonly registry: GatewayRegistry;
  readonly hub: LinkHub;
  readonly fleet: FleetTable;
  readonly desk: LeaseDesk;
  readonly inbox: LoopInbox;
  readonly watchers: RolloutWatchers;
  readonly releases: ReleaseIndex;
  readonly loop: RolloutLoop;
  readonly sessions: SessionDesk;
  readonly metrics: CenterMetrics;
  readonly stops: StopLedger;
  readonly changes: DeviceChanges;
  readonly oscore: OscoreCredentials;
  readonly load: { store: Store; log: EventLog; clock: Clock; offerLifetimeMs: number };
  readonly leaseLifetimeMs: number;
}

/** Fences of one start of the center lie above those of every earlier one. */
const FENCES_PER_START: number = 2 ** 32;
/**
 * Batches of 1,000 devices that are read at once: one by the Store, one in hand. After a restart
 * every gateway comes with some, and all together would fill the heap with texts.
 */
const DEVICE_READERS = 2;
const DEFAULT_LEASE_MS = 30_000;
const DEFAULT_OFFER_MS = 60_000;

/** Reads what the Store has; takes the leader's fence, so an earlier center can write no more. */
export async function openCore(base: CenterBase): Promise<CenterCore> {
  const { options, store, log, clock, random, logger, signal } = base;
  const leaseLifetimeMs = options.leaseLifetimeMs ?? DEFAULT_LEASE_MS;
  const offerLifetimeMs = options.offerLifetimeMs ?? DEFAULT_OFFER_MS;
  const inbox = new LoopInbox();
  const hub = new LinkHub({ leaseLifetimeMs });
  const watchers = new RolloutWatchers();
  const desk = new LeaseDesk();
  const registry = await openRegistry(base, hub, inbox);
  const fence = await store.acquireFence("leader", { signal });
  const fleet = openFleet(base, registry, fence);
  const metrics = createCenterMetrics({
    connected: () => fleet.connectedCount,
    gateways: () => registry.list().filter((status) => status.online).length,
  });
  const signer = base.identity.offerSigner;
  const sign = signer.signHead.bind(signer);
  const { rootOf } = base;
  const names = new DeviceNames();
  const offers = new OfferDesk({ names, clock, random, rootOf, sign, offerLifetimeMs });
  const load = { store, log, clock, offerLifetimeMs };
  const ask = createAnalysisClient({ fetch, clock });
  const releases = await ReleaseIndex.load(store, signal);
  const stops = openStops(base, watchers, metrics, offerLifetimeMs);
  const loop = await RolloutLoop.open(
    {
      store,
      load,
      clock,
      fence,
      fleet,
      desk,
      offers,
      inbox,
      metrics,
      leaseLifetimeMs,
      analyses: new AnalysisDesk({ inbox, ask, signal }),
      ...(options.loopTickMs === undefined ? {} : { tickMs: options.loopTickMs }),
      faultPoint,
      isPlanted,
      logger: logger.child({ component: "rollout-loop" }),
      outputs: outputsOf({
        hub,
        watchers,
        stops,
        cutOff: () => cutOff(registry, leaseLifetimeMs, clock.wallMs()),
      }),
      releaseByDigest: releaseLookup(releases),
      newLeaseId: () => Buffer.from(random.bytes(9)).toString("base64url"),
    },
    signal,
  );
  const sessions = openSessions(base, { registry, fleet, hub, inbox, names });
  return {
    registry,
    hub,
    fleet,
    desk,
    inbox,
    watchers,
    releases,
    loop,
    sessions,
    metrics,
    stops,
    ...openDevices(base),
    load,
    leaseLifetimeMs,
  };
}

function openDevices(base: CenterBase): Pick<CenterCore, "changes" | "oscore"> {
  const sealer = base.identity.credentialSealer;
  return { changes: new DeviceChanges(), oscore: new OscoreCredentials({ ...base, sealer }) };
}

function openStops(
  { store, clock, logger, signal }: CenterBase,
  watchers: RolloutWatchers,
  metrics: CenterMetrics,
  offerLifetimeMs: number,
): StopLedger {
  return new StopLedger({
    store,
    clock,
    logger: logger.child({ component: "stop-ledger" }),
    metrics,
    offerLifetimeMs,
    changed: (key) => watchers.changed(key),
    signal,
  });
}

/** Heartbeat interval × misses allowed: a shorter silence breaks nothing. */
function silenceMsOf({ options }: CenterBase): number {
  const heartbeatMs = options.heartbeatIntervalMs ?? DEFAULT_HEARTBEAT_MS;
  return heartbeatMs * (options.missesAllowed ?? DEFAULT_MISSES);
}

async function openRegistry(
  base: CenterBase,
  hub: LinkHub,
  inbox: LoopInbox,
): Promise<GatewayRegistry> {
  const registry: GatewayRegistry = new GatewayRegistry({
    store: base.store,
    clock: base.clock,
    silenceMs: silenceMsOf(base),
    onChange: () => {
      hub.tellSiblings(registry);
      inbox.wake();
    },
  });
  await registry.load(base.signal);
  return registry;
}

function openFleet(base: CenterBase, registry: GatewayRegistry, fence: Fence): FleetTable {
  const silenceMs = silenceMsOf(base);
  return new FleetTable({
    clock: base.clock,
    isGatewayOnline: (gatewayNumber) => registry.isOnline(gatewayNumber),
    gapMs: silenceMs,
    settleMs: silenceMs,
    firstFence: fence.token * FENCES_PER_START,
  });
}

/** Gateways that went so lately that they may hold a lease: until when, wall time. */
function cutOff(
  registry: GatewayRegistry,
  leaseLifetimeMs: number,
  nowMs: number,
): ReadonlyMap<string, number> {
  const gone = registry.list().filter((status) => !status.online);
  return new Map(
    gone
      .map(({ gateway, changedAtMs }) => [gateway, changedAtMs + leaseLifetimeMs] as const)
      .filter(([, leasesEndAtMs]) => leasesEndAtMs > nowMs),
  );
}

function outputsOf(parts: {
  hub: LinkHub;
  watchers: RolloutWatchers;
  stops: StopLedger;
  cutOff: () => ReadonlyMap<string, number>;
}): LoopOutputs {
  const { hub, watchers, stops } = parts;
  return {
    sendLease: (message) => hub.sendLease(message),
    raiseStopEpoch: (rollout, stopEpoch, origin) => {
      const told = hub.raiseStopEpoch(rollout, stopEpoch);
      if (origin !== undefined) stops.raised(origin, told, parts.cutOff());
    },
    renewLeases: (gateway, renew, forget) => hub.renewLeases(gateway, renew, forget),
    rolloutChanged: (key) => watchers.changed(key),
  };
}

function openSessions(
  base: CenterBase,
  parts: Pick<SessionDeskOptions, "registry" | "fleet" | "hub" | "names"> & { inbox: LoopInbox },
): SessionDesk {
  const { store } = base;
  const { inbox, ...desk } = parts;
  return new SessionDesk({
    ...desk,
    turns: new Turns(DEVICE_READERS),
    store,
    onChange: () => inbox.wake(),
    areRevoked: (announced, signal) => {
      const certificates = announced.map(({ tenant, id, serial }) => ({
        identity: { role: "device", tenant, device: id } as const,
        serial,
      }));
      return areCertificatesRevoked({ store, certificates, signal });
    },
  });
}
