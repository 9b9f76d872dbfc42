// SPDX-License-Identifier: Apache-2.0
/**
 * Puts a center together: the only file of this role that names engines. Order matters: the Store
 * first (it holds the lock of the data folder), listeners last (nobody is answered by half a center).
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Interceptor } from "@connectrpc/connect";
import { openEmbeddedEventLog } from "../engines/embedded/event-log.ts";
import { openFilesystemArtifactStore } from "../engines/filesystem/artifact-store.ts";
import { openSqliteStore } from "../engines/sqlite/worker-store.ts";
import type { ArtifactStore } from "../ports/artifact-store.ts";
import { delay, type Clock } from "../ports/clock.ts";
import type { EventLog } from "../ports/event-log.ts";
import type { Random } from "../ports/random.ts";
import type { Store } from "../ports/store.ts";
import { DeployService } from "../protocol/gen/muster/v1/deploy_pb.ts";
import { GatewayLink, SessionRevokeReason } from "../protocol/gen/muster/v1/gateway_pb.ts";
import { startAdminServer } from "../runtime/admin-server.ts";
import { faultPoint, isPlanted } from "../runtime/faults.ts";
import { systemClock } from "../runtime/system-clock.ts";
import { systemRandom } from "../runtime/system-random.ts";
import { attemptMethods } from "./api/attempts.ts";
import { callInterceptor } from "./api/call.ts";
import { deviceMethods } from "./api/devices.ts";
import { idempotencyInterceptor } from "./api/idempotency.ts";
import { installationMethods } from "./api/installation.ts";
import { OperatorTokens } from "./api/operator-tokens.ts";
import { releaseMethods } from "./api/releases.ts";
import { rolloutMethods } from "./api/rollouts.ts";
import { startApiServers } from "./api/server.ts";
import { HelloKeeper } from "./devices/hello-keeper.ts";
import { newestTrust, openCenterIdentity, type CenterIdentity } from "./identity-wiring.ts";
import { startEstServer } from "./identity/est-server.ts";
import { isCertificateRevoked } from "./identity/issued-certificates.ts";
import { runTrustRenewal } from "./identity/trust-renewal.ts";
import { directoryOf } from "./link/gateway-directory.ts";
import { gatewayLink } from "./link/gateway-link.ts";
import { GatewayRegistry } from "./link/gateway-registry.ts";
import { LinkHub } from "./link/link-hub.ts";
import { SessionDesk } from "./link/session-desk.ts";
import { createCenterMetrics } from "./metrics.ts";
import type { CenterOptions, RunningCenter } from "./options.ts";
import { ReleaseIndex } from "./releases/release-index.ts";
import { LeaseDesk } from "./rollouts/lease-desk.ts";
import { LoopInbox } from "./rollouts/loop-inbox.ts";
import { OfferDesk } from "./rollouts/offer-desk.ts";
import { RolloutLoop } from "./rollouts/rollout-loop.ts";
import { createRolloutReader } from "./rollouts/rollout-reader.ts";
import { RolloutWatchers } from "./rollouts/rollout-watchers.ts";
import { ensureFirstToken, loadTokenKey } from "./secrets.ts";
import { FleetTable } from "./state/fleet-table.ts";

export type { CenterOptions, RunningCenter } from "./options.ts";

interface Engines {
  readonly store: Store;
  readonly log: EventLog;
  readonly artifacts: ArtifactStore;
}

/** Fences of one start of the center lie above those of every earlier one. */
const FENCES_PER_START: number = 2 ** 32;
const SILENCE_CHECK_MS = 1_000;

/** Resolves when every listener is open. Throws MusterError: ports taken, folder in use, damage. */
export async function startCenter(options: CenterOptions): Promise<RunningCenter> {
  const clock = options.clock ?? systemClock;
  const random = options.random ?? systemRandom;
  const stop = new AbortController();
  await using stack = new AsyncDisposableStack();
  const engines = await openEngines(options, clock, random, stack, stop.signal);
  const operatorDirectory = options.operatorDirectory ?? join(options.dataDirectory, "operator");
  const identity = await openCenterIdentity({
    ...options,
    operatorDirectory,
    artifacts: engines.artifacts,
    clock,
    random,
    signal: stop.signal,
  });
  stack.use(identity.certificate);
  const core = await openCore(options, engines, identity, clock, random, stop.signal);
  const key = await loadTokenKey(join(options.dataDirectory, "secrets"), random);
  const tokens = new OperatorTokens({ store: engines.store, clock, random, key });
  const first = { directory: operatorDirectory, tokens, store: engines.store };
  const tokenFile = await ensureFirstToken(first, stop.signal);
  const failed = runTasks(options, identity, core, clock, stop, stack);
  const ports = { enrolment: 0, link: 0 };
  const est = stack.use(await openEnrolment(options, engines, identity, core, clock, random));
  ports.enrolment = est.port;
  const api = stack.use(
    await openApi(options, engines, identity, core, tokens, ports, clock, random),
  );
  ports.link = api.linkPort;
  const admin = stack.use(
    await startAdminServer({
      host: options.adminHost ?? "127.0.0.1",
      port: options.adminPort ?? 9_464,
      registry: core.metrics.registry,
      readiness: () => (stop.signal.aborted ? ["stopping"] : []),
    }),
  );
  const kept = stack.move();
  return {
    apiPort: api.apiPort,
    linkPort: api.linkPort,
    enrolmentPort: est.port,
    adminPort: admin.port,
    tokenFile,
    failed,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function openEngines(
  options: CenterOptions,
  clock: Clock,
  random: Random,
  stack: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<Engines> {
  const { dataDirectory, logger } = options;
  await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
  const at = (name: string): string => join(dataDirectory, name);
  const store = await openSqliteStore({ path: at("store.db"), clock, logger, signal });
  stack.defer(() => store.close());
  const log = await openEmbeddedEventLog({ path: at("events.db"), logger, signal });
  stack.defer(() => log.close());
  const artifacts = await openFilesystemArtifactStore({ path: at("artifacts"), random, signal });
  return { store, log, artifacts };
}

interface Core {
  readonly registry: GatewayRegistry;
  readonly hub: LinkHub;
  readonly fleet: FleetTable;
  readonly desk: LeaseDesk;
  readonly inbox: LoopInbox;
  readonly watchers: RolloutWatchers;
  readonly releases: ReleaseIndex;
  readonly loop: RolloutLoop;
  readonly sessions: SessionDesk;
  readonly metrics: ReturnType<typeof createCenterMetrics>;
  readonly load: { store: Store; log: EventLog; clock: Clock; offerLifetimeMs: number };
}

async function openCore(
  options: CenterOptions,
  engines: Engines,
  identity: CenterIdentity,
  clock: Clock,
  random: Random,
  signal: AbortSignal,
): Promise<Core> {
  const { store, log } = engines;
  const silenceMs = (options.heartbeatIntervalMs ?? 5_000) * (options.missesAllowed ?? 3);
  const leaseLifetimeMs = options.leaseLifetimeMs ?? 30_000;
  const offerLifetimeMs = options.offerLifetimeMs ?? 60_000;
  const inbox = new LoopInbox();
  const hub = new LinkHub({ leaseLifetimeMs });
  const watchers = new RolloutWatchers();
  const desk = new LeaseDesk();
  const registry: GatewayRegistry = new GatewayRegistry({
    store,
    clock,
    silenceMs,
    onChange: () => {
      hub.tellSiblings(registry);
      inbox.wake();
    },
  });
  await registry.load(signal);
  const fence = await store.acquireFence("leader", { signal });
  const fleet = new FleetTable({
    clock,
    isGatewayOnline: (gatewayNumber) => registry.isOnline(gatewayNumber),
    gapMs: silenceMs,
    settleMs: silenceMs,
    firstFence: fence.token * FENCES_PER_START,
  });
  const metrics = createCenterMetrics({
    connected: () => fleet.connectedCount,
    gateways: () => registry.list().filter((status) => status.online).length,
  });
  const sign = identity.offerSigner.signOffers.bind(identity.offerSigner);
  const offers = new OfferDesk({ store, clock, random, sign, offerLifetimeMs });
  const load = { store, log, clock, offerLifetimeMs };
  const releases = await ReleaseIndex.load(store, signal);
  const loop = await RolloutLoop.open(
    {
      store,
      load,
      clock,
      logger: options.logger.child({ component: "rollout-loop" }),
      fence,
      fleet,
      desk,
      offers,
      inbox,
      outputs: {
        sendLease: (message) => hub.sendLease(message),
        raiseStopEpoch: (rollout, stopEpoch) => hub.raiseStopEpoch(rollout, stopEpoch),
        renewLeases: (gateway, renew, forget) => hub.renewLeases(gateway, renew, forget),
        rolloutChanged: (rolloutKey) => watchers.changed(rolloutKey),
      },
      metrics,
      releaseByDigest: (digest) => {
        const release = releases.byManifestDigest(digest);
        if (release === undefined) return null;
        const { name, version, manifestBytes, downloadBytes } = release;
        return { release: `${name}@${version}`, manifestBytes, downloadBytes };
      },
      newLeaseId: () => Buffer.from(random.bytes(9)).toString("base64url"),
      faultPoint,
      isPlanted,
      leaseLifetimeMs,
    },
    signal,
  );
  const sessions = new SessionDesk({
    store,
    clock,
    fleet,
    hub,
    onChange: () => inbox.wake(),
    isRevoked: ({ tenant, device }, serial, callSignal) =>
      isCertificateRevoked({
        store,
        identity: { role: "device", tenant, device },
        serial,
        signal: callSignal,
      }),
  });
  return { registry, hub, fleet, desk, inbox, watchers, releases, loop, sessions, metrics, load };
}

function openEnrolment(
  options: CenterOptions,
  engines: Engines,
  identity: CenterIdentity,
  core: Core,
  clock: Clock,
  random: Random,
): ReturnType<typeof startEstServer> {
  return startEstServer({
    host: options.host ?? "0.0.0.0",
    port: options.enrolmentPort ?? 7_443,
    store: engines.store,
    authority: identity.authority,
    serverCertificate: identity.certificate,
    trust: identity.trust,
    offerSigner: identity.offerSigner,
    directory: () => directoryOf(core.registry),
    clock,
    random,
    logger: options.logger.child({ component: "enrolment" }),
  });
}

async function openApi(
  options: CenterOptions,
  engines: Engines,
  identity: CenterIdentity,
  core: Core,
  tokens: OperatorTokens,
  ports: { enrolment: number; link: number },
  clock: Clock,
  random: Random,
): ReturnType<typeof startApiServers> {
  const { store, artifacts, log } = engines;
  const { registry, fleet, loop, releases, load, inbox, watchers, hub, desk } = core;
  const { trust, makeToken } = identity;
  const [host = "localhost"] = options.hosts;
  const openRollout = loop.openRollout.bind(loop);
  const reader = createRolloutReader({ store, openRollout });
  const running = (): RolloutLoop["running"] => loop.running;
  const digests = (): RolloutLoop["digests"] => loop.digests;
  const shared = { store, clock, random, releases, running, digests };
  const methods = {
    ...rolloutMethods({ ...shared, inbox, reader, watchers }),
    ...attemptMethods({ store, openRollout, load }),
    ...releaseMethods({
      ...shared,
      artifacts,
      trust,
      newestTrust: () => newestTrust(trust),
    }),
    ...deviceMethods({
      ...shared,
      fleet,
      load,
      makeToken,
      openRollouts: () => loop.openRollouts,
      gatewayName: (gatewayNumber) => registry.nameOf(gatewayNumber),
      dropSession: (ordinal) => {
        const { RETIRED } = SessionRevokeReason;
        const fence = fleet.fenceOf(ordinal);
        core.sessions.revoke(fleet.gatewayOf(ordinal), ordinal, fence, RETIRED);
      },
    }),
    ...installationMethods({
      store,
      registry,
      tokens,
      makeToken,
      status: () => ({
        version: options.version,
        caSha256: identity.authority.caSha256,
        rootSha256: trust.rootSha256,
        onlineDevices: fleet.connectedCount,
        openRollouts: [...loop.openRollouts].length,
        enrolmentUrl: `https://${host}:${ports.enrolment}`,
        linkAddress: `${host}:${ports.link}`,
        dataDirectory: options.dataDirectory,
      }),
    }),
  };
  const link = gatewayLink({
    ...core,
    desk,
    hellos: new HelloKeeper({ store, logger: options.logger }),
    log,
    artifacts,
    trustFiles: () => trust.files(),
    logger: options.logger.child({ component: "gateway-link" }),
    heartbeatIntervalMs: options.heartbeatIntervalMs ?? 5_000,
    missesAllowed: options.missesAllowed ?? 3,
    incarnation: Buffer.from(random.bytes(9)).toString("base64url"),
    faultPoint,
    isPlanted,
    reportsAppended: (count) => core.metrics.reportsAppended(count),
  });
  trust.onChange(() => hub.trustChanged(trust.currentTargets().version));
  const interceptors: Interceptor[] = [
    callInterceptor({ tokens, logger: options.logger }),
    idempotencyInterceptor({ store, clock }),
  ];
  return startApiServers({
    apiHost: options.apiHost ?? "127.0.0.1",
    apiPort: options.apiPort ?? 7_070,
    linkHost: options.host ?? "0.0.0.0",
    linkPort: options.linkPort ?? 50_051,
    certificate: identity.certificate,
    interceptors,
    deployRoutes: (router) => void router.service(DeployService, methods),
    linkRoutes: (router) => void router.service(GatewayLink, link),
  });
}

/** Starts what runs by itself; the answer rejects when the center cannot go on. */
function runTasks(
  options: CenterOptions,
  identity: CenterIdentity,
  core: Core,
  clock: Clock,
  stop: AbortController,
  stack: AsyncDisposableStack,
): Promise<never> {
  const { signal } = stop;
  const loop = core.loop.run(signal);
  const renewal = runTrustRenewal({
    repository: identity.trust,
    clock,
    logger: options.logger,
    signal,
  });
  const silence = watchSilence(core.registry, clock, signal);
  const failed = new Promise<never>((_, reject) => {
    loop.catch(reject);
  });
  failed.catch(() => undefined); // whoever holds the center looks at it; nobody must
  stack.defer(async () => {
    stop.abort();
    core.inbox.wake();
    await Promise.allSettled([loop, renewal, silence]);
  });
  return failed;
}

async function watchSilence(
  registry: GatewayRegistry,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    registry.checkSilence();
    await delay(clock, SILENCE_CHECK_MS, signal).catch(() => undefined); // ended: the loop ends
  }
}
