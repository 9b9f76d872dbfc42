// SPDX-License-Identifier: Apache-2.0
/**
 * The Downloader port over gateways: resumes, verifies length and SHA-256 of every byte, moves to
 * another gateway on failure, and gives up after TRIES_WITHOUT_PROGRESS_MAX tries in a row that
 * brought nothing: the center then decides, with the report.
 */
import { isMusterError } from "../../domain/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import { delay } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { Random } from "../../ports/random.ts";
import { faultPoint } from "../../runtime/faults.ts";
import type { Files } from "../files/files.ts";
import type { GatewayCandidates } from "../link/gateway-candidates.ts";
import { gatewayName } from "../link/gateway-address.ts";
import type { DataLayout } from "../slots/slot-layout.ts";
import type { BlobAnswer, BlobSource } from "./blob-source.ts";
import type { Downloader, DownloadFailure, DownloadRequest, DownloadResult } from "./downloader.ts";
import { PartFile } from "./part-file.ts";

/**
 * With full jitter up to 60 s this bridges a gateway's restart and a short outage of the network.
 */
export const TRIES_WITHOUT_PROGRESS_MAX = 8;
/**
 * A gateway that is still fetching a large artifact from the center says so (503), and is asked
 * again: with its Retry-After of 5 s and our jitter this waits for about half an hour.
 */
export const BUSY_ANSWERS_MAX = 60;
/** Each costs the whole length; wrong bytes from several gateways will not get right. */
export const MISMATCHES_MAX = 3;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
/** Left for the journal, the outbox and whatever else the device does. */
const RESERVED_BYTES = 4_194_304;

interface Incomplete {
  readonly kind: "incomplete";
  readonly reason: DownloadFailure;
  readonly why: string;
  readonly isBusy: boolean;
  readonly retryAfterMs: number | null;
}
/** What one try came to. */
type TryResult = { readonly kind: "complete" } | Incomplete;

export interface ArtifactDownloaderOptions {
  readonly files: Files;
  readonly layout: DataLayout;
  readonly source: BlobSource;
  readonly candidates: GatewayCandidates;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Told how many bytes came over the network, for metrics. */
  readonly onBytes: (byteCount: number) => void;
}

export class ArtifactDownloader implements Downloader {
  readonly #options: ArtifactDownloaderOptions;
  /**
   * The end of the line of downloads: one at a time, as one gateway and one disk serve them all.
   */
  #line: Promise<unknown> = Promise.resolve();
  #activeDigest: string | null = null;

  constructor(options: ArtifactDownloaderOptions) {
    this.#options = options;
  }

  download(request: DownloadRequest): Promise<DownloadResult> {
    const turn = this.#line;
    const result = this.#inTurn(turn, request);
    // The next waits for both: who left the line early did not shorten it for those behind.
    this.#line = Promise.allSettled([turn, result]);
    return result;
  }

  activeDigest(): string | null {
    return this.#activeDigest;
  }

  async #inTurn(turn: Promise<unknown>, request: DownloadRequest): Promise<DownloadResult> {
    await settledOrAborted(turn, request.signal);
    this.#activeDigest = request.sha256;
    try {
      return await this.#fetch(request);
    } finally {
      this.#activeDigest = null;
    }
  }

  async #fetch(request: DownloadRequest): Promise<DownloadResult> {
    const { files, layout } = this.#options;
    const { sha256, lengthBytes, signal } = request;
    signal.throwIfAborted();
    const path = layout.download(sha256);
    // What has the final name was verified before it got it; the verify step reads it once more.
    if ((await files.facts(path))?.sizeBytes === lengthBytes) return { kind: "done" };
    try {
      await files.makeFolder(layout.downloads);
      const part = await PartFile.open({ files, path: `${path}.part`, signal });
      try {
        return await this.#fetchInto(part, request);
      } finally {
        await part.close();
      }
    } catch (error) {
      if (!isMusterError(error) || error.code !== "no_space") throw error;
      return { kind: "failed", reason: "no-space", detail: error.message };
    }
  }

  async #fetchInto(part: PartFile, request: DownloadRequest): Promise<DownloadResult> {
    const { layout, clock, random, files } = this.#options;
    const { sha256, lengthBytes, signal } = request;
    const missingBytes = lengthBytes - part.sizeBytes;
    const freeBytes = await files.freeBytes(layout.downloads);
    if (missingBytes + RESERVED_BYTES > freeBytes) {
      const detail = `the download needs ${missingBytes} bytes and ${freeBytes} are free`;
      return { kind: "failed", reason: "no-space", detail };
    }
    let pauseMs = FIRST_PAUSE_MS;
    let mismatchCount = 0;
    let busyCount = 0;
    for (let tryCount = 1; ; tryCount += 1) {
      const before = part.sizeBytes;
      const result = await this.#tryOnce(part, request);
      if (result.kind === "complete") {
        faultPoint("agent.download.verified");
        await part.publish(layout.download(sha256));
        return { kind: "done" };
      }
      if (part.sizeBytes > before) {
        tryCount = 0;
        pauseMs = FIRST_PAUSE_MS;
      }
      if (result.reason === "digest-mismatch") mismatchCount += 1;
      if (result.isBusy && busyCount < BUSY_ANSWERS_MAX) {
        busyCount += 1;
        tryCount -= 1;
      }
      if (tryCount >= TRIES_WITHOUT_PROGRESS_MAX || mismatchCount >= MISMATCHES_MAX) {
        return { kind: "failed", reason: result.reason, detail: result.why };
      }
      const wantedMs = Math.min(result.retryAfterMs ?? 0, LONGEST_PAUSE_MS);
      await delay(clock, wantedMs + random.next() * pauseMs, signal);
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    }
  }

  async #tryOnce(part: PartFile, request: DownloadRequest): Promise<TryResult> {
    const { candidates, source, logger } = this.#options;
    const { sha256, lengthBytes, signal } = request;
    if (part.sizeBytes > lengthBytes) await part.restart();
    // Nothing is missing: there is nothing to ask for, only to verify.
    if (part.sizeBytes === lengthBytes) return this.#verify(part, request);
    const gateway = candidates.current();
    if (gateway === null) return incomplete("download-failed", "no gateway is known");
    let result: TryResult;
    try {
      const path = `/artifacts/sha256/${sha256}`;
      const answer = await source.get({ gateway, path, fromByte: part.sizeBytes, signal });
      result = await this.#take(part, request, answer);
    } catch (error) {
      signal.throwIfAborted();
      if (!isMusterError(error) || error.code === "no_space") throw error;
      result = incomplete("download-failed", error.message);
    }
    if (result.kind === "incomplete") {
      const { why } = result;
      logger.info("A try to download failed.", { sha256, gateway: gatewayName(gateway), why });
      // Another gateway would have to begin with the same artifact; this one is under way.
      if (!result.isBusy) candidates.moveOn(gateway);
    }
    return result;
  }

  async #take(part: PartFile, request: DownloadRequest, answer: BlobAnswer): Promise<TryResult> {
    switch (answer.kind) {
      case "bytes":
        return this.#append(part, request, answer);
      case "not-found":
        return incomplete("download-failed", `the gateway has no artifact ${request.sha256}`);
      case "bad-range":
        await part.restart();
        return incomplete("download-failed", "the gateway has less than what was kept");
      case "busy":
        return {
          ...incomplete("download-failed", "the gateway is busy"),
          isBusy: true,
          retryAfterMs: answer.retryAfterMs,
        };
      case "error":
        return incomplete("download-failed", `the gateway answered with status ${answer.status}`);
    }
  }

  async #append(
    part: PartFile,
    request: DownloadRequest,
    answer: Extract<BlobAnswer, { readonly kind: "bytes" }>,
  ): Promise<TryResult> {
    const { lengthBytes } = request;
    if (answer.fromByte !== part.sizeBytes) await part.restart();
    for await (const chunk of answer.body) {
      if (part.sizeBytes + chunk.byteLength > lengthBytes) {
        await part.restart();
        return incomplete("digest-mismatch", `the artifact is longer than ${lengthBytes} bytes`);
      }
      await part.append(chunk);
      this.#options.onBytes(chunk.byteLength);
      faultPoint("agent.download.middle");
    }
    if (part.sizeBytes === lengthBytes) return this.#verify(part, request);
    return incomplete("download-failed", `the answer ended after ${part.sizeBytes} bytes`);
  }

  async #verify(part: PartFile, request: DownloadRequest): Promise<TryResult> {
    if (part.digest() === request.sha256) return { kind: "complete" };
    await part.restart();
    return incomplete("digest-mismatch", `what came is not artifact ${request.sha256}`);
  }
}

/** Throws the signal's reason when it aborts first. */
function settledOrAborted(turn: Promise<unknown>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    void turn.then(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
  });
}

function incomplete(reason: DownloadFailure, why: string): Incomplete {
  return { kind: "incomplete", reason, why, isBusy: false, retryAfterMs: null };
}
