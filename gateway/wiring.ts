// SPDX-License-Identifier: Apache-2.0
/**
 * Puts a gateway together. Order: disk first (identity, leases, caches), then the listeners, then
 * the uplink, which announces the ports that the listeners have.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { collectDefaultMetrics, Registry } from "prom-client";
import {
  GatewayHelloSchema,
  GatewayServiceSchema,
  type GatewayHello,
} from "../protocol/gen/muster/v1/gateway_pb.ts";
import { readEnrolmentUrl } from "../protocol/device/enrolment-url.ts";
import { LINK_VERSION } from "../protocol/link/link-version.ts";
import { startAdminServer, type AdminServer } from "../runtime/admin-server.ts";
import { fileFailure } from "../runtime/file-failure.ts";
import { LoopUse } from "../runtime/loop-use.ts";
import { lockFile } from "../runtime/sqlite-lock.ts";
import { systemClock } from "../runtime/system-clock.ts";
import { systemRandom } from "../runtime/system-random.ts";
import { ConnectionGate } from "./admission/connection-gate.ts";
import { buildCore, type GatewayCore } from "./core.ts";
import { systemDisk } from "./disk.ts";
import { drainGateway } from "./drain.ts";
import { readIdentity, type GatewayIdentity } from "./identity.ts";
import { readBootId } from "./leases/boot-id.ts";
import type { CoapServer } from "./listeners/coap/coap-server.ts";
import type { DeviceListener } from "./listeners/device-listener.ts";
import { startFramedServer } from "./listeners/framed/framed-server.ts";
import { startMqttServer, type MqttServerOptions } from "./listeners/mqtt/mqtt-server.ts";
import { RoomMaker } from "./room-maker.ts";
import { EnrolmentTunnel } from "./listeners/tls/enrolment-tunnel.ts";
import { artifactRequests, openArtifacts, sharesPort } from "./open-artifacts.ts";
import type { ArtifactListeners } from "./open-artifacts.ts";
import { openCoap, openInsecureCoap } from "./open-coap.ts";
import {
  redirectLimit,
  resolveOptions,
  type GatewayOptions,
  type ResolvedGatewayOptions,
  type RunningGateway,
} from "./options.ts";
import { rotateTicketKeys, type TicketKeysUser } from "./ticket-keys.ts";
import { centerConnector } from "./uplink/center-client.ts";
import { Uplink } from "./uplink/uplink.ts";

interface Listeners {
  readonly mqtt: DeviceListener;
  /** null: there is none. */
  readonly framed: DeviceListener | null;
  /** null: there is none. */
  readonly insecureMqtt: DeviceListener | null;
  /** null: there is none. */
  readonly coap: CoapServer | null;
  /** null: there is none. */
  readonly insecureCoap: CoapServer | null;
  /** null: another worker's. */
  readonly artifacts: ArtifactListeners | null;
  readonly admin: AdminServer;
}

/** What the parts of the wiring hand to each other. */
interface Wiring {
  readonly options: ResolvedGatewayOptions;
  readonly identity: GatewayIdentity;
  readonly registry: Registry;
  readonly core: GatewayCore;
  readonly gate: ConnectionGate;
  /** Why the gateway cannot do its work; empty when it can. */
  readonly readiness: () => readonly string[];
}

/**
 * Starts a gateway. Resolves when the listeners are open, whether or not the center is there.
 * Throws `invalid_argument`; `not_found`, `corrupt` and `untrusted` for the identity's files;
 * `failed_precondition` when a port is taken or another gateway has the folder.
 */
export async function startGateway(given: GatewayOptions): Promise<RunningGateway> {
  const options = resolveOptions(given, { clock: systemClock, random: systemRandom });
  const { gatewayId, region, dataDirectory, identityDirectory, clock } = options;
  const identity = await readIdentity({ directory: identityDirectory, gatewayId, region });
  await makeDataFolder(dataDirectory);
  // Two gateways on one folder would each believe that the leases in it are theirs.
  await using held = new AsyncDisposableStack();
  const lock = lockFile({ path: join(dataDirectory, "gateway"), attempted: "start the gateway" });
  held.defer(() => lock.release());
  const registry = new Registry();
  const bootId = await readBootId(options.random);
  const { centerAddress } = options;
  const connectCenter = centerConnector({ centerAddress, identity, clock });
  const core = buildCore({
    options,
    registry,
    bootId,
    disk: systemDisk,
    connectCenter,
    loopUse: loopUse(),
  });
  await openDisk(core, clock.monotonicMs());
  const notReady = new Set(["the center has not welcomed this gateway yet"]);
  const gate = new ConnectionGate({
    clock,
    mostRate: options.connectionRate,
    loopUse: loopUse(),
  });
  const wiring = { options, identity, registry, core, gate, readiness: () => [...notReady] };
  const listeners = await openListeners(wiring);
  const ticketKeys = ticketKeysUser(listeners);
  // A worker has its parent's.
  if (options.worker === 0) held.defer(rotateTicketKeys({ ...options, user: ticketKeys }));
  const uplink = wireUplink(wiring, listeners, () => notReady.clear());
  collectDefaultMetrics({ register: registry });
  observeParts(wiring, uplink);
  startCore(core);
  const uplinkAbort = new AbortController();
  const uplinkEnded = uplink.run(uplinkAbort.signal);
  const parts = { core, gate, ...listeners, uplink, uplinkEnded, uplinkAbort, options };
  const room = new RoomMaker({ ...options, ...core, listeners: connectionListeners(listeners) });
  const kept = held.move();
  let stopping: Promise<void> | null = null;
  const stopped = Promise.withResolvers<void>();
  const stop = (): Promise<void> => {
    notReady.add("the gateway is shutting down");
    stopping ??= room
      .stop()
      .then(() => drainGateway(parts))
      .finally(() => kept.disposeAsync())
      .then(stopped.resolve, stopped.reject);
    return stopped.promise;
  };
  given.signal?.addEventListener("abort", () => void stop(), { once: true });
  if (given.signal?.aborted === true) void stop();
  return {
    ...portsOf(listeners, options),
    registry,
    notReady: wiring.readiness,
    isLinked: () => uplink.isLinked,
    sessionCount: () => core.table.openCount,
    siblings: () => core.siblings.list(),
    ...ticketKeys,
    makeRoom: (part) => room.make(part),
    stop,
    stopped: stopped.promise,
    [Symbol.asyncDispose]: stop,
  };
}

type Ports = Pick<RunningGateway, Extract<keyof RunningGateway, `${string}Port`>>;

function portsOf(listeners: Listeners, options: ResolvedGatewayOptions): Ports {
  return {
    mqttsPort: listeners.mqtt.port,
    framedPort: listeners.framed?.port ?? null,
    insecureMqttPort: listeners.insecureMqtt?.port ?? null,
    coapPort: listeners.coap?.port ?? null,
    insecureCoapPort: listeners.insecureCoap?.port ?? null,
    artifactsPort: artifactsPortOf(listeners, options),
    adminPort: listeners.admin.port,
  };
}

function ticketKeysUser({ mqtt, framed, artifacts }: Listeners): TicketKeysUser {
  return {
    useTicketKeys: (keys) => {
      mqtt.useTicketKeys(keys);
      framed?.useTicketKeys(keys);
      artifacts?.useTicketKeys(keys);
    },
  };
}

async function openDisk(core: GatewayCore, nowMs: number): Promise<void> {
  await core.journal.restore(nowMs);
  await core.cache.open();
  await core.chunks.open();
  await core.trust.open();
}

function connectionListeners({ mqtt, insecureMqtt, framed }: Listeners): DeviceListener[] {
  return [mqtt, insecureMqtt, framed].filter((listener) => listener !== null);
}

function startCore({ presence, lifecycle, leases, loadLevel, backlog }: GatewayCore): void {
  presence.start(lifecycle);
  leases.start();
  loadLevel.start();
  backlog.start();
}

/** Each who asks has its own last time. */
function loopUse(): () => number {
  const use = new LoopUse();
  return () => use.sinceLast();
}

async function makeDataFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw fileFailure(error, "make the data folder", path);
  }
}

type MqttPlace = Pick<MqttServerOptions, "port"> & Partial<MqttServerOptions>;

/** All of them or none: when one cannot open, those before it close. */
async function openListeners(wiring: Wiring): Promise<Listeners> {
  const { core, gate, identity, options, registry, readiness } = wiring;
  const answer = artifactRequests(core, options);
  const tunnel = enrolmentTunnel(core, options);
  const common = { ...options, ...core, gate, identity, answer, tunnel };
  await using undo = new AsyncDisposableStack();
  const undoable = (listener: DeviceListener): DeviceListener => {
    undo.defer(() => {
      listener.stopAccepting();
      return listener.close();
    });
    return listener;
  };
  const { mqttContext: context } = core;
  const startMqtt = async (listener: MqttPlace): Promise<DeviceListener> =>
    undoable(await startMqttServer({ ...common, context, ...listener }));
  const mqtt = await startMqtt({ port: options.mqttsPort });
  const framedPlace = { ...common, context, port: options.framedPort ?? 0 };
  const framed =
    options.framedPort === null ? null : undoable(await startFramedServer(framedPlace));
  const { insecureMqttPort: port, insecureMqttHost: host } = options;
  const insecureMqtt = port === null ? null : await startMqtt({ port, host, identity: null });
  if (insecureMqtt !== null) {
    const where = { host, port: insecureMqtt.port };
    options.logger.warn("an insecure MQTT listener is open: devices are who they say", where);
  }
  const isFirst = options.worker <= 1;
  const coap = isFirst ? await openCoap(core, options) : null;
  undo.defer(() => coap?.close());
  const insecureCoap = isFirst ? await openInsecureCoap(core, options) : null;
  undo.defer(() => insecureCoap?.close());
  const artifacts = await openArtifacts(core, options, { identity, answer });
  undo.defer(() => artifacts?.close());
  const { adminHost, adminPort } = options;
  const admin = await startAdminServer({ host: adminHost, port: adminPort, registry, readiness });
  undo.move();
  return { mqtt, framed, insecureMqtt, coap, insecureCoap, artifacts, admin };
}

function enrolmentTunnel(
  core: GatewayCore,
  options: ResolvedGatewayOptions,
): EnrolmentTunnel | null {
  const { enrolmentUrl } = options;
  if (enrolmentUrl === null) return null;
  const { sources } = core.mqttContext;
  const center = readEnrolmentUrl(enrolmentUrl);
  return new EnrolmentTunnel({ ...options, metrics: core.metrics, sources, center });
}

/** Where devices find artifacts, whichever worker answers there. */
function artifactsPortOf({ mqtt, artifacts }: Listeners, options: ResolvedGatewayOptions): number {
  if (sharesPort(options)) return mqtt.port;
  return artifacts?.port ?? options.artifactsPort ?? mqtt.port;
}

function wireUplink(wiring: Wiring, listeners: Listeners, ready: () => void): Uplink {
  const { core, options } = wiring;
  const { clock, random, logger } = options;
  const { framed, insecureMqtt, coap, insecureCoap } = listeners;
  const incarnation = Buffer.from(random.bytes(16)).toString("hex");
  const startedAtMs = BigInt(Math.round(clock.wallMs()));
  const services = Object.entries({
    mqtts: listeners.mqtt.port,
    artifacts: artifactsPortOf(listeners, options),
    admin: listeners.admin.port,
    ...(framed === null ? {} : { framed: framed.port }),
    ...(insecureMqtt === null ? {} : { "insecure-mqtt": insecureMqtt.port }),
    ...(coap === null ? {} : { coap: coap.port }),
    ...(insecureCoap === null ? {} : { "insecure-coap": insecureCoap.port }),
  }).map(([name, port]) => create(GatewayServiceSchema, { name, port }));
  const hello = (): GatewayHello =>
    create(GatewayHelloSchema, {
      gateway: options.gatewayId,
      region: options.region,
      ip: options.ip,
      services,
      startedAtMs,
      incarnation,
      version: options.version,
      worker: options.worker,
      connectionLimit: redirectLimit(options),
      linkVersion: LINK_VERSION,
      heldLeaseIds: [...core.leaseTable.heldLeaseIds()],
    });
  return new Uplink({
    connect: core.connectCenter,
    hello,
    sources: core.sources,
    welcomed: (welcome) => {
      core.heartbeat.changeInterval(welcome.heartbeatIntervalMs);
      core.trust.refreshSoon();
      ready();
    },
    handle: (message) => core.messages.handle(message),
    wakening: core.wakening,
    metrics: core.metrics,
    clock,
    random,
    logger,
  });
}

function observeParts({ core, gate }: Wiring, uplink: Uplink): void {
  core.metrics.observe({
    sessions: () => core.table.openCount,
    connections: () => core.table.takenCount,
    heldReports: () => core.reports.heldCount,
    heldReportBytes: () => core.reports.heldBytes,
    keptSessions: () => core.kept.count,
    leases: () => core.leaseTable.leaseCount,
    leaseEntries: () => core.leaseTable.openCount,
    uplinkConnected: () => (uplink.isLinked ? 1 : 0),
    cacheBytes: () => core.cache.totalBytes,
    chunkCacheBytes: () => core.chunks.totalBytes,
    eventLoopLagMs: () => core.presence.lagMs,
    eventLoopUse: () => core.loadLevel.use,
    backlog: () => core.backlog.count,
    backlogExceeded: () => (core.backlog.isExceeded ? 1 : 0),
    slowedDevices: () => core.paceKeeper.slowedCount(),
    suspectAddresses: () => core.mqttContext.suspects.size,
    waitingConnections: () => gate.waitingCount,
    connectionRate: () => gate.rate,
  });
}
