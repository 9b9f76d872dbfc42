// SPDX-License-Identifier: Apache-2.0
/** Opens the API: every method of DeployService and GatewayLink, on their listeners. */
import type { ServiceImpl } from "@connectrpc/connect";
import { hasBandwidth } from "../../domain/bandwidth.ts";
import { DeployService } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { GatewayLink, SessionRevokeReason } from "../../protocol/gen/muster/v1/gateway_pb.ts";
import { freeDiskBytes } from "../../runtime/disk-space.ts";
import { faultPoint, isPlanted } from "../../runtime/faults.ts";
import { DEFAULT_HEARTBEAT_MS, DEFAULT_MISSES, type CenterBase } from "../base.ts";
import type { CenterCore } from "../core.ts";
import { HelloKeeper } from "../devices/hello-keeper.ts";
import { newestTrust } from "../identity-wiring.ts";
import { gatewayLink } from "../link/gateway-link.ts";
import { Relief } from "../link/relief.ts";
import type { RolloutBandwidthCaps } from "../link/link-hub.ts";
import { createRolloutReader } from "../rollouts/rollout-reader.ts";
import { countWaits } from "../rollouts/waits.ts";
import { attemptMethods } from "./attempts.ts";
import { callInterceptor } from "./call.ts";
import { deviceMethods } from "./devices.ts";
import { idempotencyInterceptor } from "./idempotency.ts";
import { installationMethods, type InstallationOptions } from "./installation.ts";
import type { OperatorTokens } from "./operator-tokens.ts";
import { RehearsalThread } from "../rehearsal/rehearsal-thread.ts";
import { rehearsalMethods } from "./rehearsals.ts";
import { releaseMethods } from "./releases.ts";
import { rolloutMethods } from "./rollouts.ts";
import { storageMethods } from "./storage.ts";
import { startApiServers, type ApiServers } from "./server.ts";

/** Ports of the other listeners, which the status names. */
export interface ListenerPorts {
  enrolment: number;
  link: number;
}

export function openApi(
  base: CenterBase,
  core: CenterCore,
  tokens: OperatorTokens,
  ports: ListenerPorts,
): Promise<ApiServers> {
  const { options, store, clock, logger, identity } = base;
  const { trust } = identity;
  const methods = deployMethods(base, core, tokens, ports);
  const link = linkMethods(base, core);
  trust.onChange(() => core.hub.trustChanged(trust.currentTargets().version));
  return startApiServers({
    apiHost: options.apiHost ?? "127.0.0.1",
    apiPort: options.apiPort ?? 7_070,
    linkHost: options.host ?? "0.0.0.0",
    linkPort: options.linkPort ?? 50_051,
    certificate: identity.certificate,
    interceptors: [callInterceptor({ tokens, logger }), idempotencyInterceptor({ store, clock })],
    deployRoutes: (router) => void router.service(DeployService, methods),
    linkRoutes: (router) => void router.service(GatewayLink, link),
  });
}

/** Every method of DeployService. */
export function deployMethods(
  base: CenterBase,
  core: CenterCore,
  tokens: OperatorTokens,
  ports: ListenerPorts,
): ServiceImpl<typeof DeployService> {
  const { store, clock, random, artifacts, identity } = base;
  const { registry, fleet, loop, releases, load, inbox, watchers } = core;
  const { trust, makeToken } = identity;
  const openRollout = loop.openRollout.bind(loop);
  const reader = createRolloutReader({
    store,
    openRollout,
    stops: core.stops,
    waitsOf: (rollout) => {
      const first = loop.predecessors.of(rollout, loop.openRollouts);
      return countWaits(rollout, first, loop.openRollouts);
    },
  });
  const shared = {
    store,
    clock,
    random,
    releases,
    artifacts,
    running: () => loop.running,
    digests: () => loop.digests,
    openRollouts: () => loop.openRollouts,
  };
  return {
    ...rolloutMethods({ ...shared, inbox, reader, watchers }),
    ...rehearsalMethods({
      ...shared,
      ...load,
      leaseLifetimeMs: core.leaseLifetimeMs,
      fleet,
      thread: new RehearsalThread(),
    }),
    ...attemptMethods({ store, openRollout, load }),
    ...releaseMethods({ ...shared, trust, newestTrust: () => newestTrust(trust) }),
    ...deviceMethods({
      ...shared,
      fleet,
      load,
      changes: core.changes,
      makeToken,
      openRollouts: () => loop.openRollouts,
      predecessors: () => loop.predecessors,
      gatewayName: (gatewayNumber) => registry.nameOf(gatewayNumber),
      oscore: core.oscore,
      dropSession: (ordinal, why) => {
        const { RETIRED, TAKEN_OVER } = SessionRevokeReason;
        core.sessions.revoke(ordinal, why === "retired" ? RETIRED : TAKEN_OVER);
      },
    }),
    ...storageMethods({
      ...shared,
      log: base.log,
      freeDiskBytes: () => freeDiskBytes(base.options.dataDirectory),
    }),
    ...installationMethods({
      store,
      registry,
      tokens,
      makeToken,
      status: statusOf(base, core, ports),
    }),
  };
}

function statusOf(
  base: CenterBase,
  core: CenterCore,
  ports: ListenerPorts,
): InstallationOptions["status"] {
  const { options, identity } = base;
  const [host = "localhost"] = options.hosts;
  return () => ({
    version: options.version,
    caSha256: identity.authority.caSha256,
    rootSha256: identity.trust.rootSha256,
    onlineDevices: core.fleet.connectedCount,
    openRollouts: [...core.loop.openRollouts].length,
    enrolmentUrl: `https://${host}:${ports.enrolment}`,
    linkAddress: `${host}:${ports.link}`,
    dataDirectory: options.dataDirectory,
  });
}

/** Every method of GatewayLink. */
export function linkMethods(base: CenterBase, core: CenterCore): ServiceImpl<typeof GatewayLink> {
  const { options, store, log, artifacts, random, logger, identity } = base;
  return gatewayLink({
    ...core,
    log,
    artifacts,
    clock: base.clock,
    relief: new Relief({ gateways: core.registry, clock: base.clock }),
    faultPoint,
    isPlanted,
    hellos: new HelloKeeper({ store, logger, changes: core.changes, turns: core.sessions.turns }),
    stopEpochs: () => stopEpochsOf(core),
    bandwidths: () => bandwidthsOf(core),
    trustFiles: () => identity.trust.files(),
    logger: logger.child({ component: "gateway-link" }),
    heartbeatIntervalMs: options.heartbeatIntervalMs ?? DEFAULT_HEARTBEAT_MS,
    missesAllowed: options.missesAllowed ?? DEFAULT_MISSES,
    incarnation: Buffer.from(random.bytes(9)).toString("base64url"),
    reportsAppended: (count) => {
      core.metrics.reportsAppended(count);
      core.loop.reportsAppended();
    },
  });
}

function bandwidthsOf(core: CenterCore): RolloutBandwidthCaps[] {
  return Array.from(core.loop.openRollouts, ({ record }) => ({
    rollout: record.number,
    bandwidth: record.spec.bandwidth,
  })).filter(({ bandwidth }) => hasBandwidth(bandwidth));
}

function stopEpochsOf(core: CenterCore): { rollout: number; stopEpoch: number }[] {
  return Array.from(core.loop.openRollouts, ({ record }) => ({
    rollout: record.number,
    stopEpoch: record.progress.stopEpoch,
  })).filter(({ stopEpoch }) => stopEpoch > 0);
}
