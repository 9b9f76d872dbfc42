// SPDX-License-Identifier: Apache-2.0
/**
 * A gateway's reports on their way into the EventLog. The stream does not wait for them: heartbeats
 * and devices that come and go are heard while a slow log takes its time. While the log is
 * `unavailable` its batches wait here and are tried again; the gateway holds what is not
 * acknowledged, and shows its devices the same patience.
 */
import { Code, ConnectError } from "@connectrpc/connect";
import { isMusterError, toMusterError } from "../../domain/errors.ts";
import { delay, type Clock } from "../../ports/clock.ts";
import type { EventLog } from "../../ports/event-log.ts";
import type { Logger } from "../../ports/logger.ts";
import type { ReportSet } from "../ingest/report-record.ts";
import type { LinkStream } from "./link-stream.ts";

/** What a gateway worker holds at most (200,000 reports, 64 MiB) in batches of a slow day. */
const MAX_WAITING_BATCHES = 4_096;
const MAX_WAITING_REPORTS = 200_000;
const RETRY_MS = 1_000;

export interface ReportIntakeOptions {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly faultPoint: (name: string) => void;
  readonly isPlanted: (name: string) => boolean;
  readonly reportsAppended: (count: number) => void;
}

export class ReportIntake {
  readonly #options: ReportIntakeOptions;
  readonly #stream: LinkStream;
  readonly #waiting = new Set<Promise<void>>();
  #waitingReports = 0;
  #isLogAway = false;

  constructor(options: ReportIntakeOptions, stream: LinkStream) {
    this.#options = options;
    this.#stream = stream;
  }

  /** Acknowledges when they are durable. Resolves at once while there is room for more. */
  async take(batchSequence: bigint, reports: ReportSet | null, signal: AbortSignal): Promise<void> {
    const { faultPoint, isPlanted } = this.#options;
    if (reports === null) {
      throw new ConnectError("a report batch has columns of unequal length", Code.InvalidArgument);
    }
    faultPoint("center.reports.received");
    if (isPlanted("reports.acknowledge-early")) {
      // The planted bug: the gateway is told before the EventLog has them; a crash now loses them.
      this.#acknowledge(batchSequence);
      for (let turns = 0; turns < 10; turns++) await new Promise((next) => setImmediate(next));
      faultPoint("center.reports.promised");
    }
    this.#waitingReports += reports.count;
    const taken = this.#store(batchSequence, reports, signal).finally(() => {
      this.#waiting.delete(taken);
      this.#waitingReports -= reports.count;
    });
    this.#waiting.add(taken);
    while (this.#isFull) await Promise.race(this.#waiting);
  }

  get #isFull(): boolean {
    if (this.#stream.isEnded) return false;
    return this.#waiting.size >= MAX_WAITING_BATCHES || this.#waitingReports >= MAX_WAITING_REPORTS;
  }

  /** Never rejects: a failure ends the stream, and the gateway comes back with its reports. */
  async #store(batchSequence: bigint, reports: ReportSet, signal: AbortSignal): Promise<void> {
    const { log, logger, faultPoint, reportsAppended } = this.#options;
    const { gateway } = this.#stream;
    try {
      const records = reports.records(log.partitionCount);
      while (!(await this.#append(records, signal))) {
        await delay(this.#options.clock, RETRY_MS, signal);
        if (this.#stream.isEnded) return;
      }
      faultPoint("center.reports.appended");
      reportsAppended(reports.count);
      this.#acknowledge(batchSequence);
      faultPoint("center.reports.acknowledged");
    } catch (cause) {
      if (!signal.aborted) {
        const error = toMusterError(cause, "storing a gateway's reports");
        logger.warn("a gateway's stream broke", { gateway, error });
      }
      this.#stream.end();
    }
  }

  /** False when the log is away. */
  async #append(
    records: readonly { partition: number; bytes: Uint8Array }[],
    signal: AbortSignal,
  ): Promise<boolean> {
    const { log, logger } = this.#options;
    const { gateway } = this.#stream;
    try {
      await log.append(records, { signal });
    } catch (error) {
      if (!isMusterError(error) || error.code !== "unavailable") throw error;
      if (!this.#isLogAway) {
        logger.warn("the event log is away; a gateway's reports wait", { gateway, error });
      }
      this.#isLogAway = true;
      return false;
    }
    if (this.#isLogAway) logger.info("the event log takes a gateway's reports again", { gateway });
    this.#isLogAway = false;
    return true;
  }

  #acknowledge(batchSequence: bigint): void {
    this.#stream.send({ case: "reportAcknowledgement", value: { batchSequence } });
  }
}
