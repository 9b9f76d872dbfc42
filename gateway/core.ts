// SPDX-License-Identifier: Apache-2.0
/**
 * Everything of a gateway that opens no port: sessions, presence, pipeline, leases, caches and what
 * the uplink reads from and writes to. Built in one place, in the order of who needs whom.
 */
import type { Registry } from "prom-client";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import { DEFAULT_DECODER_LIMITS } from "../protocol/mqtt/decoder-limits.ts";
import { MAX_HELLO_BYTES } from "../protocol/device/status.ts";
import { Backlog } from "./admission/backlog.ts";
import { LoadLevel } from "./admission/load-level.ts";
import { PaceKeeper } from "./admission/pace-keeper.ts";
import { Redirects } from "./admission/redirects.ts";
import { Suspects } from "./admission/suspects.ts";
import { ArtifactCache } from "./artifacts/artifact-cache.ts";
import { ChunkCache } from "./artifacts/chunk-cache.ts";
import { ChunkIndexes } from "./artifacts/chunk-indexes.ts";
import { Pacer } from "./artifacts/pacer.ts";
import { RolloutCaps } from "./artifacts/rollout-caps.ts";
import { TrustCache } from "./artifacts/trust-cache.ts";
import type { Disk } from "./disk.ts";
import { LeaseJournal } from "./leases/lease-journal.ts";
import { LeaseService } from "./leases/lease-service.ts";
import { LeaseTable } from "./leases/lease-table.ts";
import { OfferDispatcher } from "./leases/offer-dispatcher.ts";
import type { CoapContext } from "./listeners/coap/coap-context.ts";
import type { MqttContext } from "./listeners/mqtt/mqtt-context.ts";
import { SlowConsumers } from "./sessions/slow-consumers.ts";
import { ProxiedSources } from "./listeners/proxy/proxied-sources.ts";
import { GatewayMetrics } from "./metrics.ts";
import { redirectLimit, type ResolvedGatewayOptions } from "./options.ts";
import { DeviceIntake } from "./pipeline/device-intake.ts";
import { HelloTracker } from "./pipeline/hello-tracker.ts";
import { ReportBuffer } from "./pipeline/report-buffer.ts";
import { StatusTracker } from "./pipeline/status-tracker.ts";
import { Presence } from "./presence/presence.ts";
import { TimingWheel } from "./presence/timing-wheel.ts";
import { KeptSessions } from "./sessions/kept-sessions.ts";
import { SessionLifecycle } from "./sessions/session-lifecycle.ts";
import { SessionTable } from "./sessions/session-table.ts";
import type { CenterConnection, ConnectCenter } from "./uplink/center-client.ts";
import { CenterMessages } from "./uplink/center-messages.ts";
import { ControlOutbox } from "./uplink/control-outbox.ts";
import {
  HeartbeatSource,
  type HeartbeatFacts,
  type HeartbeatSourceOptions,
} from "./uplink/heartbeat-source.ts";
import { SessionAnnouncer } from "./uplink/session-announcer.ts";
import { Siblings } from "./uplink/siblings.ts";
import type { UplinkSource } from "./uplink/uplink-source.ts";
import { Wakening } from "./uplink/wakening.ts";

/** Resolution of every deadline: this part of the time to find out. */
const TICKS_A_DETECTION = 8;
/** The largest message is a hello; its topic and headers come on top. */
const PACKET_BYTES_MAX: number = MAX_HELLO_BYTES * 2;

export interface GatewayCoreOptions {
  readonly options: ResolvedGatewayOptions;
  readonly bootId: string;
  readonly registry: Registry;
  readonly disk: Disk;
  readonly connectCenter: ConnectCenter;
  /** Part of the time since the last call in which the event loop was busy, from 0 to 1. */
  readonly loopUse: () => number;
}

export interface GatewayCore {
  readonly table: SessionTable;
  readonly presence: Presence;
  readonly lifecycle: SessionLifecycle;
  readonly kept: KeptSessions;
  readonly reports: ReportBuffer;
  readonly leaseTable: LeaseTable;
  readonly leases: LeaseService;
  readonly journal: LeaseJournal;
  readonly cache: ArtifactCache;
  readonly chunks: ChunkCache;
  readonly pacer: Pacer;
  readonly caps: RolloutCaps;
  readonly trust: TrustCache;
  readonly metrics: GatewayMetrics;
  readonly loadLevel: LoadLevel;
  readonly backlog: Backlog;
  readonly paceKeeper: PaceKeeper;
  readonly mqttContext: MqttContext;
  readonly coapContext: CoapContext;
  readonly heartbeat: HeartbeatSource;
  readonly siblings: Siblings;
  readonly messages: CenterMessages;
  readonly connectCenter: ConnectCenter;
  readonly wakening: Wakening;
  /** In the order in which the uplink asks them. */
  readonly sources: readonly UplinkSource[];
}

export function buildCore(given: GatewayCoreOptions): GatewayCore {
  const { options, disk, connectCenter, bootId, registry } = given;
  const { clock, logger, detectionMs, dataDirectory: directory } = options;
  const wakening = new Wakening();
  const seed = Math.floor(options.random.next() * 0x1_0000_0000);
  const table = new SessionTable({ maxSlots: options.maxConnections, seed });
  /** What nearly everyone needs; each takes its own part. */
  const shared = {
    clock,
    logger,
    directory,
    disk,
    table,
    metrics: new GatewayMetrics({ registry }),
    wake: (): void => wakening.wake(),
  };
  const { presence, lifecycle, kept, silenceLimitMs } = buildSessions(options, table);
  const status = new StatusTracker(shared);
  const hellos = new HelloTracker({ ...shared, status });
  const reports = new ReportBuffer(shared);
  const outbox = new ControlOutbox(shared);
  const announcer = new SessionAnnouncer({ ...shared, presence });
  const leaseTable = new LeaseTable();
  const journal = new LeaseJournal({ ...shared, bootId, table: leaseTable });
  const dispatcher = new OfferDispatcher({ ...shared, leases: leaseTable });
  const forLeases = { lifecycle, kept, journal, dispatcher, outbox, detectionMs };
  const leases = new LeaseService({ ...shared, ...forLeases, leases: leaseTable });
  lifecycle.observe([announcer, status, hellos, reports, leases]);

  const caches = buildCaches(shared, options, connectCenter());
  const siblings = new Siblings(shared);
  const redirects = new Redirects({ ...shared, limit: redirectLimit(options) });
  const loadLevel = new LoadLevel({ ...shared, loopUse: given.loopUse });
  const heartbeat = buildHeartbeat(shared, options, { presence, reports });
  const { trust } = caches;
  const caps = new RolloutCaps();
  const heard = { lifecycle, announcer, reports, leases, trust, siblings, redirects, caps };
  const sessions = { presence, lifecycle, kept, reports, loadLevel };
  const takers = { status, hellos, reports, reportListener: leases };
  const intake = new DeviceIntake({ ...shared, ...sessions, ...takers });
  observeKept(kept, leases, intake);
  return {
    ...shared,
    ...sessions,
    leaseTable,
    leases,
    journal,
    ...caches,
    caps,
    pacer: new Pacer({ ...options, ...shared }),
    ...buildBacklog({ ...options, ...shared }, { reports, status, hellos, announcer, outbox }),
    heartbeat,
    siblings,
    connectCenter,
    wakening,
    ...listenerContexts(
      { ...shared, ...sessions, intake, redirects, random: options.random },
      { ...options, silenceLimitMs, sources: new ProxiedSources(options.proxies, logger) },
    ),
    messages: new CenterMessages({ ...shared, ...heard }),
    // A stop before what it stops; sessions before what is said of them.
    sources: [heartbeat, outbox, announcer, reports, status, hellos],
  };
}

function buildHeartbeat(
  shared: Pick<HeartbeatSourceOptions, "clock" | "wake"> & { readonly table: SessionTable },
  { heartbeatIntervalMs: intervalMs }: ResolvedGatewayOptions,
  { presence, reports }: { readonly presence: Presence; readonly reports: ReportBuffer },
): HeartbeatSource {
  const facts = (): HeartbeatFacts => ({
    connectedDevices: shared.table.openCount,
    eventLoopLagMs: presence.lagMs,
    heldReports: reports.heldCount,
  });
  return new HeartbeatSource({ ...shared, intervalMs, facts });
}

function observeKept(kept: KeptSessions, leases: LeaseService, intake: DeviceIntake): void {
  kept.observe({
    holdEnded: (device) => leases.holdEnded(device),
    willDue: (device, ordinal, { channel, payload }) =>
      intake.takeAbsent(device, ordinal, channel, payload),
  });
}

/** What waits for the center, and who is told of it when that is too much. */
function buildBacklog(
  options: ResolvedGatewayOptions & { readonly table: SessionTable },
  waiting: {
    readonly reports: ReportBuffer;
    readonly status: StatusTracker;
    readonly hellos: HelloTracker;
    readonly announcer: SessionAnnouncer;
    readonly outbox: ControlOutbox;
  },
): { backlog: Backlog; paceKeeper: PaceKeeper } {
  const { reports, status, hellos, announcer, outbox } = waiting;
  const count = (): number =>
    reports.heldCount +
    status.pendingCount +
    hellos.pendingCount +
    announcer.waitingCount +
    outbox.waitingCount;
  const paceKeeper = new PaceKeeper(options);
  const { backlogLimit: limit } = options;
  return { backlog: new Backlog({ ...options, limit, count, listener: paceKeeper }), paceKeeper };
}

function listenerContexts(
  shared: CoapContext & Pick<MqttContext, "kept" | "loadLevel" | "redirects">,
  options: {
    readonly silenceLimitMs: number;
    readonly sessionExpiryMaxSeconds: number;
    readonly sources: ProxiedSources;
  },
): { mqttContext: MqttContext; coapContext: CoapContext } {
  const { silenceLimitMs, sessionExpiryMaxSeconds, sources } = options;
  const mqttContext = {
    ...shared,
    sources,
    slowConsumers: new SlowConsumers(shared),
    suspects: new Suspects(shared),
    limits: { ...DEFAULT_DECODER_LIMITS, maxPacketBytes: PACKET_BYTES_MAX },
    terms: { silenceLimitMs, sessionExpiryMaxSeconds, maxPacketBytes: PACKET_BYTES_MAX },
  };
  return { mqttContext, coapContext: shared };
}

function buildSessions(
  options: ResolvedGatewayOptions,
  table: SessionTable,
): {
  presence: Presence;
  lifecycle: SessionLifecycle;
  kept: KeptSessions;
  silenceLimitMs: number;
} {
  const silenceLimitMs = options.heartbeatIntervalMs * options.missesAllowed;
  const { clock, detectionMs, connectDeadlineMs } = options;
  const wheel = new TimingWheel({
    tickMs: Math.max(1, detectionMs / TICKS_A_DETECTION),
    nowMs: clock.monotonicMs(),
  });
  const presence = new Presence({ clock, table, wheel, detectionMs });
  const lifecycle = new SessionLifecycle({ table, presence, connectDeadlineMs, silenceLimitMs });
  // A device that is away is as many as one that is here: whoever has places for these, has them.
  const kept = new KeptSessions({ clock, maxSessions: options.maxConnections });
  return { presence, lifecycle, kept, silenceLimitMs };
}

interface CachePorts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly directory: string;
  readonly disk: Disk;
  readonly metrics: GatewayMetrics;
}

/** Fetches share a connection of their own, opened with the first fetch. */
function buildCaches(
  ports: CachePorts,
  limits: { readonly cacheBytes: number; readonly chunkCacheBytes: number },
  connection: CenterConnection,
): { cache: ArtifactCache; chunks: ChunkCache; trust: TrustCache } {
  const { client } = connection;
  const cache = new ArtifactCache({
    ...ports,
    maxBytes: limits.cacheBytes,
    fetch: (sha256, startOffset, signal) =>
      client.fetchArtifact({ sha256, startOffset: BigInt(startOffset) }, { signal }),
    close: () => connection.close(),
  });
  const chunks = new ChunkCache({
    ...ports,
    maxBytes: limits.chunkCacheBytes,
    indexes: new ChunkIndexes({ blobs: cache }),
    fetch: async ({ sha256, startOffset, lengthBytes }, signal) => {
      const range = { sha256, startOffset: BigInt(startOffset), lengthBytes };
      return (await client.fetchChunk(range, { signal })).data;
    },
  });
  const trust = new TrustCache({
    ...ports,
    fetch: async (signal) => (await client.fetchTrust({}, { signal })).files,
  });
  return { cache, chunks, trust };
}
