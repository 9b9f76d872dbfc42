// SPDX-License-Identifier: Apache-2.0
/**
 * The parent of a gateway that is several processes: starts its workers, starts one that died
 * again, replaces all of them one after the other. It holds no connection and no state: a worker is
 * a whole gateway with an uplink of its own (docs/adr/0025).
 *
 * A worker is, in its turn: starting → running → ended. After an end that nobody asked for it is
 * started again, at once the first time and then after 0.5 s, doubled up to 30 s; whoever ran for a
 * minute starts anew from 0.5 s. A worker that is being replaced drains first: its devices find the
 * others behind the same port, and what it held is on its disk for who comes after it.
 */
import type { MetricObject } from "prom-client";
import { MusterError } from "../../domain/errors.ts";
import { delay, type Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { TicketKeysUser } from "../ticket-keys.ts";
import type { LaunchWorker, WorkerPorts, WorkerProcess } from "./worker-process.ts";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
/** Who ran for so long did not die of how it was started. */
const STABLE_MS = 60_000;

export interface WorkerPoolOptions {
  /** From 1 to MAX_WORKERS. */
  readonly count: number;
  readonly launch: LaunchWorker;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A worker's place: it outlives the processes that fill it. */
interface Place {
  readonly worker: number;
  process: WorkerProcess | null;
  isReady: boolean;
  /** Its end is wanted: somebody replaces it. */
  isReplaced: boolean;
}

export class WorkerPool implements TicketKeysUser {
  readonly #launch: LaunchWorker;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #places: readonly Place[];
  readonly #stopping = new AbortController();
  #ports: WorkerPorts | null = null;
  #ticketKeys: Uint8Array | null = null;
  #supervised: readonly Promise<void>[] = [];
  #replacing: Promise<void> = Promise.resolve();

  constructor(options: WorkerPoolOptions) {
    this.#launch = options.launch;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#places = Array.from({ length: options.count }, (_, index) => ({
      worker: index + 1,
      process: null,
      isReady: false,
      isReplaced: false,
    }));
  }

  /**
   * Resolves with the ports of all when every worker has opened its listeners. The first one takes
   * the ports, the others share them. Throws `unavailable` when one cannot start; none is left.
   */
  async start(): Promise<WorkerPorts> {
    const [first, ...others] = this.#places as [Place, ...Place[]];
    try {
      this.#ports = await this.#begin(first);
      await Promise.all(others.map((place) => this.#begin(place)));
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#supervised = this.#places.map((place) => this.#supervise(place));
    return this.#ports;
  }

  /**
   * Replaces every worker, one after the other, each when the one before it is ready: nobody but
   * the devices of one worker has to reconnect at a time. Later calls wait for the first.
   */
  replaceAll(): Promise<void> {
    this.#replacing = this.#replacing.then(async () => {
      for (const place of this.#places) await this.#replace(place);
    });
    return this.#replacing;
  }

  /** All workers have them, and whoever replaces one: a device resumes at any of them. */
  useTicketKeys(keys: Uint8Array): void {
    this.#ticketKeys = keys;
    for (const { process, isReady } of this.#places) if (isReady) process?.useTicketKeys(keys);
  }

  /** Why the gateway as a whole cannot do its work; empty when it can. */
  async notReady(): Promise<readonly string[]> {
    const reasons = await Promise.all(
      this.#places.map(async ({ worker, process, isReady }) => {
        if (process === null || !isReady) return [`worker ${worker} is starting`];
        const facts = await process.ask();
        if (facts === null) return [`worker ${worker} does not answer`];
        return facts.notReady.map((reason) => `worker ${worker}: ${reason}`);
      }),
    );
    return reasons.flat();
  }

  /** Of every worker that answers. */
  async metrics(): Promise<readonly (readonly MetricObject[])[]> {
    const running = this.#places.flatMap(({ process }) => (process === null ? [] : [process]));
    const answers = await Promise.all(running.map((process) => process.ask()));
    return answers.flatMap((facts) => (facts === null ? [] : [facts.metrics]));
  }

  /** Stops all at once; resolves when the last has ended. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    const processes = this.#places.flatMap(({ process }) => (process === null ? [] : [process]));
    for (const process of processes) process.stop();
    await Promise.all(processes.map(({ ended }) => ended));
    await Promise.all(this.#supervised);
  }

  async #begin(place: Place): Promise<WorkerPorts> {
    const { worker } = place;
    const process = this.#launch(worker, this.#ports);
    place.process = process;
    try {
      const ports = await process.ready;
      place.isReady = true;
      if (this.#ticketKeys !== null) process.useTicketKeys(this.#ticketKeys);
      return ports;
    } catch (cause) {
      throw new MusterError({
        code: "unavailable",
        message: `worker ${worker} of the gateway did not start`,
        detail: { hint: "what it said itself is above, or in the log" },
        cause,
      });
    }
  }

  /** Keeps a worker that has started running, until the pool stops. */
  async #supervise(place: Place): Promise<void> {
    const { signal } = this.#stopping;
    let pauseMs = 0;
    for (;;) {
      const startedAtMs = this.#clock.monotonicMs();
      const how = (await place.process?.ended) ?? "";
      place.isReady = false;
      if (signal.aborted) return;
      if (this.#clock.monotonicMs() - startedAtMs > STABLE_MS || place.isReplaced) pauseMs = 0;
      if (!place.isReplaced) {
        const facts = { worker: place.worker, how, pauseMs };
        this.#logger.warn("a worker of the gateway ended and is started again", facts);
      }
      await delay(this.#clock, pauseMs, signal).catch(() => {}); // The loop sees the signal.
      if (signal.aborted) return;
      pauseMs = Math.min(Math.max(pauseMs * 2, FIRST_PAUSE_MS), LONGEST_PAUSE_MS);
      // One that cannot start has said why, and ends: the next turn waits longer.
      await this.#begin(place).catch(() => {});
      if (place.isReady) place.isReplaced = false;
    }
  }

  async #replace(place: Place): Promise<void> {
    const { process, worker } = place;
    if (process === null || this.#stopping.signal.aborted) return;
    this.#logger.info("replacing a worker of the gateway", { worker });
    place.isReplaced = true;
    process.stop();
    await process.ended;
    // Whoever supervises the place starts the next one, however often it takes.
    while (!place.isReady || place.process === process) {
      if (this.#stopping.signal.aborted) return;
      await delay(this.#clock, FIRST_PAUSE_MS / 10, this.#stopping.signal).catch(() => {});
    }
  }
}
