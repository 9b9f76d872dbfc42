// SPDX-License-Identifier: Apache-2.0
/**
 * A device of a simulated world: the whole agent on a disk in memory. Its programs take a drawn
 * time and end well; blobs come from a table after a drawn time, and again and again after that
 * until a gateway can be reached.
 */
import type { Buffer } from "node:buffer";
import { assembleAgent, type AssembledAgent } from "../../agent/assemble.ts";
import type { Downloader } from "../../agent/download/downloader.ts";
import { Backoff } from "../../agent/link/backoff.ts";
import { DeviceSession } from "../../agent/link/device-session.ts";
import { GatewayCandidates } from "../../agent/link/gateway-candidates.ts";
import { LinkManager } from "../../agent/link/link-manager.ts";
import { mqttDialer, type StreamDialer } from "../../agent/link/mqtt-dialer.ts";
import type { OfferGate } from "../../agent/link/offer-gate.ts";
import type { ProcessRunner } from "../../agent/process/process-runner.ts";
import { dataLayout, type DataLayout } from "../../agent/slots/slot-layout.ts";
import { OfferVerifier } from "../../agent/trust/offer-verifier.ts";
import { assert } from "../../domain/assert.ts";
import { delay, type Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { Random } from "../../ports/random.ts";
import { SeededRandom } from "../swarm/seeded-random.ts";
import { MemoryFiles } from "./memory-files.ts";
import { HEARTBEAT_MS } from "./simulated-center.ts";
import { TENANT } from "./simulated-releases.ts";

const PROGRAM_MS = 5_000;
const DOWNLOAD_MS = 20_000;
const EVIDENCE_INTERVAL_MS = 3_600_000;

export interface SimulatedAgentOptions {
  readonly id: string;
  readonly clock: Clock;
  readonly seed: string;
  readonly logger: Logger;
  readonly offerKey: Buffer;
  readonly blobs: ReadonlyMap<string, Buffer>;
  /** Hosts of the gateways. */
  readonly gateways: readonly string[];
  readonly openStream: StreamDialer;
  /** Whether a download would get through now. */
  readonly isReachable: () => boolean;
  /** What the device did, for the history. */
  readonly record: (what: string) => void;
}

export interface SimulatedAgent {
  readonly id: string;
  /** Digest of the release that runs in the app slot; "" = none. */
  runningDigest(): string;
  /** The file that the release put there, as it is on disk; null = there is none. */
  runningFile(): Promise<string | null>;
  isConnected(): boolean;
  stop(): Promise<void>;
}

export async function startSimulatedAgent(given: SimulatedAgentOptions): Promise<SimulatedAgent> {
  const { id, clock, logger, record } = given;
  const files = new MemoryFiles();
  const layout = dataLayout("/muster");
  const random = new SeededRandom({ seed: given.seed, name: id });
  const stop = new AbortController();
  const halt = new AbortController();
  await files.makeFolder(layout.slots);
  const candidates = new GatewayCandidates({
    files,
    path: layout.directory,
    random,
    logger,
    gateways: given.gateways.map((host) => ({ host, mqttsPort: 8_883, artifactsPort: 7_444 })),
    fetchDirectory: () => Promise.reject(new Error("the list of gateways is the operator's")),
  });
  const assembled = await assembleAgent({
    clock,
    random,
    logger,
    files,
    layout,
    processes: pretendedPrograms(clock, random),
    downloader: tableDownloader(given, { files, layout, random }),
    trust: { check: () => Promise.resolve({ kind: "ok" }) },
    gate: offerGate(given),
    tenant: TENANT,
    device: id,
    workingTimeMs: () => clock.wallMs(),
    inventory: {},
    hookPrograms: { busy: null, service: null, exhausted: null, reboot: null },
    commands: "built-in",
    bootId: () => Promise.resolve(id),
    agentName: "muster-agent/simulated",
    evidenceIntervalMs: EVIDENCE_INTERVAL_MS,
    observer: {
      offerAnswered: (answer) => record(`answers ${answer}`),
      stepEnded: () => {},
      attemptEnded: (slot, { phase }) => record(`ends ${slot} ${phase}`),
    },
    halt: halt.signal,
  });
  await assembled.agent.measure();
  const link = linkOf(given, assembled, { random, candidates, halt: halt.signal });
  const ended = Promise.all([assembled.agent.run(stop.signal), link.run(stop.signal)]);
  return {
    id,
    runningDigest: () => assembled.evidence.statuses().app?.digest ?? "",
    runningFile: () => files.readText(`${layout.current("app")}/app.txt`, 1_000_000),
    isConnected: () => link.isConnected,
    stop: async () => {
      stop.abort();
      halt.abort();
      await Promise.allSettled([ended]);
    },
  };
}

function linkOf(
  given: SimulatedAgentOptions,
  assembled: AssembledAgent,
  parts: { random: Random; candidates: GatewayCandidates; halt: AbortSignal },
): LinkManager {
  const { id, clock, logger, openStream, record } = given;
  const { agent, outbox } = assembled;
  const { random, candidates, halt } = parts;
  return new LinkManager({
    clock,
    logger,
    candidates,
    backoff: new Backoff({ random }),
    dialer: mqttDialer({
      clock,
      tenant: TENANT,
      device: id,
      keepAliveMs: 3 * HEARTBEAT_MS,
      openStream,
    }),
    observer: {
      linkUp: ({ host }) => record(`is linked to ${host}`),
      linkDown: (reason) => record(`is apart: ${reason}`),
      dialFailed: () => {},
      linkExhausted: () => {},
    },
    onExhausted: () => Promise.resolve(),
    onMessage: (channel, payload) => agent.receive(channel, payload),
    useConnection: (connection, signal) =>
      new DeviceSession({
        connection,
        source: agent,
        outbox,
        clock,
        logger,
        observer: { heartbeatSent: () => {}, reportAcknowledged: () => {} },
        heartbeatIntervalMs: HEARTBEAT_MS,
      }).run(AbortSignal.any([signal, halt])),
  });
}

/** Verifies as in production; the key is pinned here, where production has it from TUF. */
function offerGate({ id, clock, offerKey }: SimulatedAgentOptions): OfferGate {
  const keys = { schema: "muster.offer-keys/v1", keys: [offerKey.toString("base64")] } as const;
  const verifier = new OfferVerifier({ keys });
  return {
    verify: async (message) => {
      const workingTimeMs = clock.wallMs();
      const verdict = verifier.verify({ message, tenant: TENANT, device: id, workingTimeMs });
      if (verdict.offer !== null) return { kind: "signed", offer: verdict.offer };
      return { kind: "untrusted", detail: verdict.ok ? "" : verdict.detail };
    },
  };
}

function pretendedPrograms(clock: Clock, random: Random): ProcessRunner {
  return {
    run: async ({ signal }) => {
      try {
        await delay(clock, random.next() * PROGRAM_MS, signal);
        return { kind: "exited", exitCode: 0, output: "" };
      } catch {
        return { kind: "aborted" };
      }
    },
  };
}

function tableDownloader(
  { clock, blobs, isReachable }: SimulatedAgentOptions,
  own: { files: MemoryFiles; layout: DataLayout; random: Random },
): Downloader {
  const { files, layout, random } = own;
  let active: string | null = null;
  return {
    activeDigest: () => active,
    download: async ({ sha256, signal }) => {
      active = sha256;
      try {
        do await delay(clock, random.next() * DOWNLOAD_MS, signal);
        while (!isReachable());
        const bytes = blobs.get(sha256);
        assert(bytes !== undefined, "what is offered was published");
        await files.makeFolder(layout.downloads);
        await files.remove(layout.download(sha256));
        const file = await files.createFile(layout.download(sha256), 0o600);
        await file.write(bytes);
        await file.close();
        return { kind: "done" };
      } finally {
        active = null;
      }
    },
  };
}
