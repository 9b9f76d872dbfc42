// SPDX-License-Identifier: Apache-2.0
/**
 * Puts the production agent together: the system's clock, files and processes, TLS with the
 * device's certificate, gateways over MQTT and HTTPS. The only file of the agent that knows all of
 * them.
 */
import { collectDefaultMetrics, Registry } from "prom-client";
import type { Clock } from "../ports/clock.ts";
import type { Random } from "../ports/random.ts";
import { systemClock } from "../runtime/system-clock.ts";
import { systemRandom } from "../runtime/system-random.ts";
import { assembleAgent } from "./assemble.ts";
import type { AssembledAgent } from "./assemble.ts";
import { ArtifactDownloader } from "./download/artifact-downloader.ts";
import { httpsBlobSource } from "./download/https-blob-source.ts";
import type { Files } from "./files/files.ts";
import { systemFiles } from "./files/system-files.ts";
import { openIdentity } from "./identity-keeper.ts";
import type { IdentityKeeper } from "./identity-keeper.ts";
import { readBootId } from "./process/boot-id.ts";
import { readInventory } from "./inventory.ts";
import { Backoff } from "./link/backoff.ts";
import { DeviceSession } from "./link/device-session.ts";
import { GatewayCandidates } from "./link/gateway-candidates.ts";
import type { DirectoryFetcher } from "./link/gateway-candidates.ts";
import { LinkManager } from "./link/link-manager.ts";
import { mqttDialer } from "./link/mqtt-dialer.ts";
import type { StreamDialer } from "./link/mqtt-dialer.ts";
import type { ProxyFor } from "./link/proxy-rules.ts";
import { AgentMetrics } from "./metrics.ts";
import type { MetricSources } from "./metrics.ts";
import {
  DEFAULT_CODEC,
  DEFAULT_COMMANDS,
  DEFAULT_EVIDENCE_INTERVAL_MS,
  DEFAULT_HEARTBEAT_INTERVAL_MS,
  type AgentOptions,
} from "./options.ts";
import { systemProcessRunner } from "./process/system-process-runner.ts";
import type { ProcessRunner } from "./process/process-runner.ts";
import { dataLayout } from "./slots/slot-layout.ts";
import type { DataLayout } from "./slots/slot-layout.ts";
import { openTimeKeeper } from "./time-keeper.ts";
import type { TimeKeeper } from "./time-keeper.ts";
import { TrustKeeper } from "./trust-keeper.ts";
import { connectUntrusted, fetchDirectory, trustCenter } from "./trust/est-client.ts";
import { connectTls } from "./trust/peer.ts";
import { firstTrustState, TrustStateFile } from "./trust/trust-state.ts";
import { openTufClient } from "./trust/tuf-client.ts";

/** For connection and handshake, before which a gateway in a storm has a line of 19 s. */
const CONNECT_TIMEOUT_MS = 25_000;
/** A server calls a device offline after three missed heartbeats. */
const HEARTBEATS_A_KEEP_ALIVE = 3;

/** What exists before the device knows who it is. */
export interface AgentBase {
  readonly options: AgentOptions;
  readonly dataDirectory: string;
  readonly layout: DataLayout;
  readonly files: Files;
  readonly processes: ProcessRunner;
  readonly clock: Clock;
  readonly random: Random;
  readonly registry: Registry;
  readonly metrics: AgentMetrics;
  /** Filled in when the agent is complete. */
  readonly sources: { current: MetricSources | null };
}

export interface WiredAgent extends AssembledAgent {
  readonly identity: IdentityKeeper;
  readonly trust: TrustKeeper;
  readonly time: TimeKeeper;
  readonly link: LinkManager;
}

/** `environment`: of this process. */
export function wireBase(
  options: AgentOptions,
  dataDirectory: string,
  environment: NodeJS.ProcessEnv,
): AgentBase {
  const clock = options.clock ?? systemClock;
  const inventory = readInventory(options.inventory ?? {});
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const sources: AgentBase["sources"] = { current: null };
  const metrics = new AgentMetrics({
    registry,
    version: options.version,
    sources: {
      statuses: () => sources.current?.statuses() ?? {},
      pendingReportCount: () => sources.current?.pendingReportCount() ?? 0,
      certificateEndsMs: () => sources.current?.certificateEndsMs() ?? 0,
    },
  });
  return {
    options,
    dataDirectory,
    layout: dataLayout(dataDirectory),
    files: systemFiles,
    processes: systemProcessRunner({ clock, dataDirectory, environment, inventory }),
    clock,
    random: options.random ?? systemRandom,
    registry,
    metrics,
    sources,
  };
}

/** Enrols if need be, reads what the agent knew, and connects the parts. Nothing runs yet. */
export async function wireAgent(
  base: AgentBase,
  signals: { start: AbortSignal; halt: AbortSignal },
): Promise<WiredAgent> {
  const { options, layout, files, clock, random, metrics, dataDirectory } = base;
  const { logger, enrolmentUrl, proxyFor } = options;
  const shared = { files, clock, random, logger, enrolmentUrl, proxyFor };
  const time = await openTimeKeeper({ ...shared, path: layout.timeFloor });
  const { workingTime } = time;
  const identity = await openIdentity({
    ...shared,
    dataDirectory,
    token: options.token ?? null,
    workingTime,
    signal: signals.start,
  });
  await time.keepFloor();
  const { tenant, device } = identity;
  const openStream = streamDialer(identity, time, proxyFor);
  const source = httpsBlobSource({ openStream });
  const candidates = new GatewayCandidates({
    ...shared,
    path: layout.directory,
    gateways: options.gateways ?? [],
    fetchDirectory: directoryFetcher(base, identity, time),
  });
  const stateFile = new TrustStateFile({ directory: dataDirectory });
  const trust = new TrustKeeper({
    ...shared,
    client: await openTrust(stateFile, identity, base),
    stateFile,
    source,
    candidates,
    workingTime,
    tenant,
    device,
  });
  const onBytes = (byteCount: number): void => metrics.downloaded(byteCount);
  const assembled = await assembleAgent({
    ...shared,
    layout,
    processes: base.processes,
    downloader: new ArtifactDownloader({ ...shared, layout, source, candidates, onBytes }),
    trust,
    gate: trust,
    tenant,
    device,
    workingTimeMs: () => workingTime.nowMs(),
    inventory: readInventory(options.inventory ?? {}),
    hookPrograms: { busy: null, service: null, exhausted: null, reboot: null, ...options.hooks },
    commands: options.commands ?? DEFAULT_COMMANDS,
    bootId: readBootId,
    agentName: `muster-agent/${options.version}`,
    evidenceIntervalMs: options.evidenceIntervalMs ?? DEFAULT_EVIDENCE_INTERVAL_MS,
    observer: metrics,
    halt: signals.halt,
  });
  const parts = { ...assembled, identity, trust, time };
  return { ...parts, link: wireLink(base, { ...parts, candidates, openStream, signals }) };
}

function wireLink(
  base: AgentBase,
  parts: Omit<WiredAgent, "link"> & {
    candidates: GatewayCandidates;
    openStream: StreamDialer;
    signals: { halt: AbortSignal };
  },
): LinkManager {
  const { options, clock, random, metrics, dataDirectory } = base;
  const { logger, backoffCeilingMs } = options;
  const { agent, outbox, hooks, pace, identity, trust, time } = parts;
  const { candidates, openStream, signals } = parts;
  const heartbeatIntervalMs = options.heartbeatIntervalMs ?? DEFAULT_HEARTBEAT_INTERVAL_MS;
  return new LinkManager({
    clock,
    logger,
    candidates,
    backoff: new Backoff({
      random,
      ...(backoffCeilingMs === undefined ? {} : { ceilingMs: backoffCeilingMs }),
    }),
    dialer: mqttDialer({
      clock,
      tenant: identity.tenant,
      device: identity.device,
      keepAliveMs: heartbeatIntervalMs * HEARTBEATS_A_KEEP_ALIVE,
      openStream,
    }),
    observer: metrics,
    onExhausted: async (signal) => {
      await hooks.sayExhausted(dataDirectory, signal);
      const anchors = { caPem: identity.stored.caPem, keys: trust.offerKeys() };
      await time.askCenter(anchors, signal);
    },
    onMessage: (channel, payload) => agent.receive(channel, payload),
    useConnection: (connection, stop) =>
      new DeviceSession({
        connection,
        source: agent,
        outbox,
        clock,
        logger,
        observer: metrics,
        heartbeatIntervalMs,
        pace,
        codec: options.codec ?? DEFAULT_CODEC,
      }).run(AbortSignal.any([stop, signals.halt])),
  });
}

function streamDialer(
  identity: IdentityKeeper,
  time: TimeKeeper,
  proxyFor: ProxyFor | undefined,
): StreamDialer {
  return ({ host, port, protocol, signal }) => {
    const { certPem, keyPem, caPem } = identity.stored;
    return connectTls({
      host,
      port,
      proxyFor,
      alpn: [protocol],
      certPem,
      keyPem,
      caPem,
      expect: "gateway",
      workingTimeMs: time.workingTime.nowMs(),
      what: "the gateway",
      timeoutMs: CONNECT_TIMEOUT_MS,
      signal,
    });
  };
}

function directoryFetcher(
  base: AgentBase,
  identity: IdentityKeeper,
  time: TimeKeeper,
): DirectoryFetcher {
  return async (signal) => {
    const { enrolmentUrl, proxyFor } = base.options;
    const { workingTime } = time;
    using connection = await connectUntrusted({ enrolmentUrl, proxyFor, signal });
    trustCenter(connection, { caPem: identity.stored.caPem, workingTime });
    return await fetchDirectory(connection, { signal });
  };
}

/** A kept state that does not read back costs its memory against rollback, not the trust. */
async function openTrust(
  stateFile: TrustStateFile,
  identity: IdentityKeeper,
  base: AgentBase,
): Promise<ReturnType<typeof openTufClient>> {
  const first = firstTrustState(identity.stored.root);
  try {
    return openTufClient({ state: (await stateFile.load()) ?? first });
  } catch (error) {
    base.options.logger.error(
      "The kept trust metadata is damaged; starting from the pinned root.",
      {
        error,
      },
    );
    return openTufClient({ state: first });
  }
}
