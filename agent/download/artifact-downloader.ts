// SPDX-License-Identifier: Apache-2.0
/**
 * The Downloader port over gateways: resumes, verifies length and SHA-256 of every byte, moves to
 * another gateway on failure, and gives up after TRIES_WITHOUT_PROGRESS_MAX tries in a row that
 * brought nothing: the center then decides, with the report.
 *
 * Where the release names chunks, only those are fetched that are not on this device already; where
 * that does not work (an older gateway, an index that does not fit), the whole is.
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
import { ChunkedDownload } from "./chunked-download.ts";
import { DownloadPace } from "./download-pace.ts";
import type { Downloader, DownloadRequest, DownloadResult } from "./downloader.ts";
import { PartFile } from "./part-file.ts";
import { dropSeeds } from "./seed-store.ts";
import { busy, incomplete, type TryResult } from "./try-result.ts";

/**
 * With full jitter up to 60 s this bridges a gateway's restart and a short outage of the network.
 */
export const TRIES_WITHOUT_PROGRESS_MAX = 8;
/**
 * A gateway that is still fetching a large artifact from the center says so (503), and is asked
 * again: with its Retry-After of 5 s and our jitter this waits for about half an hour.
 */
export const BUSY_ANSWERS_MAX = 60;
/** Without an index the whole is fetched: no reason to wait for it as long. */
const INDEX_TRIES_MAX = 3;
/** Each costs the whole length or a chunk; wrong bytes from several gateways stay wrong. */
export const MISMATCHES_MAX = 3;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
/** Left for the journal, the outbox and whatever else the device does. */
const RESERVED_BYTES = 4_194_304;

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

  async #fetch(
    request: DownloadRequest,
    triesMax: number = TRIES_WITHOUT_PROGRESS_MAX,
  ): Promise<DownloadResult> {
    const { files, layout } = this.#options;
    const { sha256, lengthBytes, signal } = request;
    signal.throwIfAborted();
    const path = layout.download(sha256);
    // What has the final name was verified before it got it; the verify step reads it once more.
    if ((await files.facts(path))?.sizeBytes === lengthBytes) return { kind: "done" };
    try {
      await files.makeFolder(layout.downloads);
      const partPath = `${path}.part`;
      const { bytesPerSecond = 0 } = request;
      const pace = new DownloadPace({ clock: this.#options.clock, bytesPerSecond });
      const chunks = await ChunkedDownload.open({
        ...this.#options,
        pace,
        request,
        partPath,
        fetchIndex: async (blob) =>
          (await this.#fetch({ ...request, ...blob, chunkIndex: undefined }, INDEX_TRIES_MAX))
            .kind === "done",
      });
      const part = await PartFile.open({ files, path: partPath, signal });
      try {
        return await this.#fetchInto(part, { request, chunks, pace, triesMax });
      } finally {
        await part.close();
      }
    } catch (error) {
      if (!isMusterError(error) || error.code !== "no_space") throw error;
      return { kind: "failed", reason: "no-space", detail: error.message };
    }
  }

  async #fetchInto(
    part: PartFile,
    given: {
      request: DownloadRequest;
      chunks: ChunkedDownload | null;
      pace: DownloadPace;
      triesMax: number;
    },
  ): Promise<DownloadResult> {
    const { layout, clock, random } = this.#options;
    const { request, pace, triesMax } = given;
    const { sha256, lengthBytes, signal } = request;
    const missingBytes = lengthBytes - part.sizeBytes;
    const freeBytes = await this.#makeRoom(missingBytes + RESERVED_BYTES);
    if (missingBytes + RESERVED_BYTES > freeBytes) {
      const detail = `the download needs ${missingBytes} bytes and ${freeBytes} are free`;
      return { kind: "failed", reason: "no-space", detail };
    }
    let { chunks } = given;
    let pauseMs = FIRST_PAUSE_MS;
    let mismatchCount = 0;
    let busyCount = 0;
    for (let tryCount = 1; ; tryCount += 1) {
      const before = part.sizeBytes;
      const result = await this.#tryOnce(part, { request, pace }, chunks);
      if (result.kind === "complete") {
        faultPoint("agent.download.verified");
        await part.publish(layout.download(sha256));
        return { kind: "done" };
      }
      if (part.sizeBytes > before) {
        tryCount = 0;
        pauseMs = FIRST_PAUSE_MS;
      }
      if (result.isForWhole) chunks = null;
      if (result.reason === "digest-mismatch") mismatchCount += 1;
      if (result.isBusy && busyCount < BUSY_ANSWERS_MAX) {
        busyCount += 1;
        tryCount -= 1;
      }
      if (tryCount >= triesMax || mismatchCount >= MISMATCHES_MAX) {
        if (chunks === null) return { kind: "failed", reason: result.reason, detail: result.why };
        // Whatever is wrong with the chunks, the whole may be right; the part is, so far.
        chunks = null;
        tryCount = 0;
        mismatchCount = 0;
      }
      const wantedMs = Math.min(result.retryAfterMs ?? 0, LONGEST_PAUSE_MS);
      await delay(clock, wantedMs + random.next() * pauseMs, signal);
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    }
  }

  /** Free bytes; archives kept for the next download go before this one fails. */
  async #makeRoom(neededBytes: number): Promise<number> {
    const { files, layout } = this.#options;
    const freeBytes = await files.freeBytes(layout.downloads);
    if (freeBytes >= neededBytes || (await files.facts(layout.seeds)) === null) return freeBytes;
    await dropSeeds(this.#options);
    return files.freeBytes(layout.downloads);
  }

  async #tryOnce(
    part: PartFile,
    given: { request: DownloadRequest; pace: DownloadPace },
    chunks: ChunkedDownload | null,
  ): Promise<TryResult> {
    const { candidates, source, logger } = this.#options;
    const { request } = given;
    const { sha256, lengthBytes, rollout, signal } = request;
    if (part.sizeBytes > lengthBytes) await part.restart();
    // Nothing is missing: there is nothing to ask for, only to verify.
    if (part.sizeBytes === lengthBytes) return this.#verify(part, request);
    const gateway = candidates.current();
    if (gateway === null) return incomplete("download-failed", "no gateway is known");
    let result: TryResult;
    try {
      if (chunks !== null) {
        const advanced = await chunks.advance(part, gateway);
        result = advanced.kind === "full" ? await this.#verify(part, request) : advanced;
      } else {
        const path = `/artifacts/sha256/${sha256}`;
        const fromByte = part.sizeBytes;
        const answer = await source.get({ gateway, path, fromByte, rollout, signal });
        result = await this.#take(part, given, answer);
      }
    } catch (error) {
      signal.throwIfAborted();
      if (!isMusterError(error) || error.code === "no_space") throw error;
      result = incomplete("download-failed", error.message);
    }
    if (result.kind === "incomplete") {
      const { why } = result;
      logger.info("A try to download failed.", { sha256, gateway: gatewayName(gateway), why });
      // Another gateway would have to begin with the same artifact; this one is under way.
      if (!result.isBusy && !result.isForWhole) candidates.moveOn(gateway);
    }
    return result;
  }

  async #take(
    part: PartFile,
    given: { request: DownloadRequest; pace: DownloadPace },
    answer: BlobAnswer,
  ): Promise<TryResult> {
    const { request } = given;
    switch (answer.kind) {
      case "bytes":
        return this.#append(part, given, answer);
      case "not-found":
        return incomplete("download-failed", `the gateway has no artifact ${request.sha256}`);
      case "bad-range":
        await part.restart();
        return incomplete("download-failed", "the gateway has less than what was kept");
      case "busy":
        return busy(answer.retryAfterMs);
      case "error":
        return incomplete("download-failed", `the gateway answered with status ${answer.status}`);
    }
  }

  async #append(
    part: PartFile,
    { request, pace }: { request: DownloadRequest; pace: DownloadPace },
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
      await pace.took(chunk.byteLength, request.signal);
      faultPoint("agent.download.middle");
    }
    if (part.sizeBytes === lengthBytes) return this.#verify(part, request);
    return incomplete("download-failed", `the answer ended after ${part.sizeBytes} bytes`);
  }

  async #verify(part: PartFile, request: DownloadRequest): Promise<TryResult> {
    if (part.digest() === request.sha256) return { kind: "complete" };
    await part.restart();
    const why = `what came is not artifact ${request.sha256}`;
    // Its chunks were right, each for itself: then the index is that of something else.
    return { ...incomplete("digest-mismatch", why), isForWhole: true };
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
