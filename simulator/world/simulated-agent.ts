// SPDX-License-Identifier: Apache-2.0
/**
 * One life of a device of a simulated world: the whole agent on a disk in memory that outlives it.
 * Blobs come from a table after a drawn time, and again and again after that until a gateway can be
 * reached.
 */
import type { Buffer } from "node:buffer";
import { assembleAgent, type AssembledAgent } from "../../agent/assemble.ts";
import type { Downloader } from "../../agent/download/downloader.ts";
import type { Files } from "../../agent/files/files.ts";
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
import { delay } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { Random } from "../../ports/random.ts";
import type { Life } from "./life.ts";
import { HEARTBEAT_MS } from "./simulated-center.ts";
import { TENANT } from "./simulated-releases.ts";

const DOWNLOAD_MS = 20_000;
const EVIDENCE_INTERVAL_MS = 3_600_000;

export const LAYOUT: DataLayout = dataLayout("/muster");

export interface SimulatedAgentOptions {
  readonly life: Life;
  /** As this life sees its disk. */
  readonly files: Files;
  readonly processes: ProcessRunner;
  readonly random: Random;
  /** New with every start of the machine. */
  readonly bootId: string;
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
  readonly onFailure: (error: unknown) => void;
}

/** Runs from now on, to the end of its life. */
export async function startSimulatedAgent(given: SimulatedAgentOptions): Promise<void> {
  const { life: clock, files, random, logger, record } = given;
  const halt = new AbortController().signal;
  await files.makeFolder(LAYOUT.slots);
  const candidates = new GatewayCandidates({
    files,
    path: LAYOUT.directory,
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
    layout: LAYOUT,
    processes: given.processes,
    downloader: tableDownloader(given),
    trust: { check: () => Promise.resolve({ kind: "ok" }) },
    gate: offerGate(given),
    tenant: TENANT,
    device: clock.who,
    workingTimeMs: () => clock.wallMs(),
    inventory: {},
    hookPrograms: { busy: null, service: null, exhausted: null, reboot: null },
    commands: "built-in",
    bootId: () => Promise.resolve(given.bootId),
    agentName: "muster-agent/simulated",
    evidenceIntervalMs: EVIDENCE_INTERVAL_MS,
    observer: {
      offerAnswered: (answer) => record(`answers ${answer}`),
      stepEnded: () => {},
      attemptEnded: (slot, { phase }) => record(`ends ${slot} ${phase}`),
    },
    halt,
  });
  await assembled.agent.measure();
  const link = linkOf(given, assembled, { candidates, halt });
  assembled.agent.run(halt).catch(given.onFailure);
  link.run(halt).catch(given.onFailure);
}

function linkOf(
  given: SimulatedAgentOptions,
  assembled: AssembledAgent,
  parts: { candidates: GatewayCandidates; halt: AbortSignal },
): LinkManager {
  const { life: clock, random, logger, openStream, record } = given;
  const { agent, outbox, pace } = assembled;
  const { candidates, halt } = parts;
  return new LinkManager({
    clock,
    logger,
    candidates,
    backoff: new Backoff({ random }),
    dialer: mqttDialer({
      clock,
      tenant: TENANT,
      device: clock.who,
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
        pace,
        codec: "protobuf",
      }).run(AbortSignal.any([signal, halt])),
  });
}

/** Verifies as in production; the key is pinned here, where production has it from TUF. */
function offerGate({ life, offerKey }: SimulatedAgentOptions): OfferGate {
  const keys = { schema: "muster.offer-keys/v1", keys: [offerKey.toString("base64")] } as const;
  const verifier = new OfferVerifier({ keys });
  return {
    verify: async (message) => {
      const own = { tenant: TENANT, device: life.who, workingTimeMs: life.wallMs() };
      const verdict = verifier.verify({ message, ...own });
      if (verdict.offer !== null) return { kind: "signed", offer: verdict.offer };
      return { kind: "untrusted", detail: verdict.ok ? "" : verdict.detail };
    },
  };
}

function tableDownloader(given: SimulatedAgentOptions): Downloader {
  const { life, files, random, blobs, isReachable } = given;
  let active: string | null = null;
  return {
    activeDigest: () => active,
    download: async ({ sha256, signal }) => {
      active = sha256;
      try {
        do await delay(life, random.next() * DOWNLOAD_MS, signal);
        while (!isReachable());
        const bytes = blobs.get(sha256);
        assert(bytes !== undefined, "what is offered was published");
        await files.makeFolder(LAYOUT.downloads);
        await files.remove(LAYOUT.download(sha256));
        const file = await files.createFile(LAYOUT.download(sha256), 0o600);
        await file.write(bytes);
        await file.close();
        return { kind: "done" };
      } finally {
        active = null;
      }
    },
  };
}
