// SPDX-License-Identifier: Apache-2.0
/**
 * An agent on real files and processes, whose gateway is a folder of blobs and whose center signs
 * everything: what is between the link and the disk, and nothing else.
 */
import { open } from "node:fs/promises";
import { join } from "node:path";
import { assembleAgent } from "../../../agent/assemble.ts";
import type { AssembledAgent } from "../../../agent/assemble.ts";
import { ArtifactDownloader } from "../../../agent/download/artifact-downloader.ts";
import type { BlobSource } from "../../../agent/download/blob-source.ts";
import type { Files } from "../../../agent/files/files.ts";
import { systemFiles } from "../../../agent/files/system-files.ts";
import type { HookPrograms } from "../../../agent/hooks.ts";
import type { AllowedCommands } from "../../../agent/release-preparer.ts";
import { GatewayCandidates } from "../../../agent/link/gateway-candidates.ts";
import { endOrphans } from "../../../agent/process/orphans.ts";
import { systemProcessRunner } from "../../../agent/process/system-process-runner.ts";
import { dataLayout } from "../../../agent/slots/slot-layout.ts";
import type { OfferPayload } from "../../../protocol/device/offer.ts";
import { SILENT_LOGGER } from "../../../ports/logger.ts";
import type { Logger } from "../../../ports/logger.ts";
import type { Random } from "../../../ports/random.ts";
import { systemClock } from "../../../runtime/system-clock.ts";
import { systemRandom } from "../../../runtime/system-random.ts";
import { DEVICE, TENANT } from "./fixture-release.ts";

export interface FixtureAgent extends AssembledAgent {
  /** Offers and waits until the device has said its last word on it. */
  offer(offer: OfferPayload): Promise<void>;
  /** Offers and does not wait. */
  send(offer: OfferPayload): Promise<void>;
  /** Resolves when the agent has given this answer, or ended an attempt in this phase. */
  until(word: string): Promise<void>;
  stop(): Promise<void>;
}

export interface FixtureAgentOptions {
  readonly dataDirectory: string;
  readonly blobFolder: string;
  readonly files?: Files;
  readonly source?: BlobSource;
  readonly hookPrograms?: Partial<HookPrograms>;
  readonly inventory?: { readonly [fact: string]: string };
  readonly logger?: Logger;
  readonly workingTimeMs?: () => number;
  readonly commands?: AllowedCommands;
  readonly bootId?: string;
}

/** Pauses last a thousandth of what they may. */
const impatient: Random = { next: () => 0.001, bytes: (length) => systemRandom.bytes(length) };

export async function startFixtureAgent(options: FixtureAgentOptions): Promise<FixtureAgent> {
  const { dataDirectory, files = systemFiles, logger = SILENT_LOGGER } = options;
  const layout = dataLayout(dataDirectory);
  const stop = new AbortController();
  const halt = new AbortController();
  const words = new Words();
  await files.makeFolder(layout.slots);
  const processes = systemProcessRunner({
    inventory: {},
    clock: systemClock,
    dataDirectory,
    environment: process.env,
  });
  await endOrphans({ dataDirectory, clock: systemClock, logger, signal: halt.signal });
  const candidates = new GatewayCandidates({
    files,
    path: layout.directory,
    random: systemRandom,
    logger,
    gateways: [{ host: "gateway", mqttsPort: 1, artifactsPort: 1 }],
    fetchDirectory: () => Promise.reject(new Error("never asked")),
  });
  const downloader = new ArtifactDownloader({
    files,
    layout,
    source: options.source ?? folderSource(options.blobFolder),
    candidates,
    clock: systemClock,
    random: impatient,
    logger,
    onBytes: () => {},
  });
  const assembled = await assembleAgent({
    clock: systemClock,
    random: impatient,
    logger,
    files,
    layout,
    processes,
    downloader,
    trust: { check: () => Promise.resolve({ kind: "ok" }) },
    gate: {
      verify: (message) => Promise.resolve({ kind: "signed", offer: message as OfferPayload }),
    },
    tenant: TENANT,
    device: DEVICE,
    workingTimeMs: options.workingTimeMs ?? (() => 1_000),
    inventory: options.inventory ?? {},
    hookPrograms: {
      busy: null,
      service: null,
      exhausted: null,
      reboot: null,
      ...options.hookPrograms,
    },
    commands: options.commands ?? "any",
    bootId: () => Promise.resolve(options.bootId ?? "boot-1"),
    agentName: "fixture",
    evidenceIntervalMs: 3_600_000,
    observer: {
      offerAnswered: (answer) => words.say(answer),
      stepEnded: () => {},
      attemptEnded: (_slot, outcome) => words.say(outcome.phase),
    },
    halt: halt.signal,
  });
  await assembled.agent.measure();
  const running = assembled.agent.run(stop.signal);
  const send = (offer: OfferPayload): Promise<void> =>
    assembled.agent.receive("offer", Buffer.from(JSON.stringify(offer)));
  return {
    ...assembled,
    send,
    offer: async (offer) => {
      const answered = words.next((word) => word !== "accepted" && word !== "known");
      await send(offer);
      await Promise.race([answered, running]);
    },
    until: (word) => words.next((said) => said === word),
    stop: async () => {
      stop.abort();
      await running;
    },
  };
}

/** What the agent says, for whoever waits for it. */
class Words {
  readonly #waiting = new Set<(word: string) => void>();

  say(word: string): void {
    for (const listener of this.#waiting) listener(word);
  }

  next(isIt: (word: string) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const listener = (word: string): void => {
        if (!isIt(word)) return;
        this.#waiting.delete(listener);
        resolve();
      };
      this.#waiting.add(listener);
    });
  }
}

/** Serves blobs from a folder, with ranges, in small pieces; chunks from `<sha256>.chunks`. */
export function folderSource(blobFolder: string): BlobSource {
  return {
    get: async ({ path, fromByte }) => {
      const name = path.replace("/artifacts/sha256/", "").replace("/chunks/", ".chunks/");
      try {
        const handle = await open(join(blobFolder, name));
        const body = handle.createReadStream({ start: fromByte, highWaterMark: 256 });
        return { kind: "bytes", fromByte, body };
      } catch {
        return { kind: "not-found" };
      }
    },
  };
}
