// SPDX-License-Identifier: Apache-2.0
/**
 * The parent of a gateway that is several processes: starts its workers, starts one that died
 * again, replaces all of them one after the other, adds one and takes it away again. It holds no
 * connection and no state: a worker is a whole gateway with an uplink of its own (docs/adr/0025).
 *
 * A worker is, in its turn: starting → running → ended. After an end that nobody asked for it is
 * started again, at once the first time and then after 0.5 s, doubled up to 30 s; whoever ran for a
 * minute starts anew from 0.5 s. A worker that is being replaced drains first: its devices find the
 * others behind the same port, and what it held is on its disk for who comes after it. The next one
 * is replaced when they have.
 */
import { MusterError } from "../../domain/errors.ts";
import { delay, type Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { TicketKeysUser } from "../ticket-keys.ts";
import { untilSessionsAreBack } from "./sessions-back.ts";
import type { LaunchWorker, WorkerFacts, WorkerPorts, WorkerProcess } from "./worker-process.ts";

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
  /** Its end is wanted, and nobody comes after it. */
  isGivenUp: boolean;
}

function emptyPlace(worker: number): Place {
  return { worker, process: null, isReady: false, isReplaced: false, isGivenUp: false };
}

export class WorkerPool implements TicketKeysUser {
  readonly #launch: LaunchWorker;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #places: Place[];
  readonly #stopping = new AbortController();
  #ports: WorkerPorts | null = null;
  #ticketKeys: Uint8Array | null = null;
  readonly #supervised = new Set<Promise<void>>();
  /** One change at a time. */
  #changing: Promise<void> = Promise.resolve();

  constructor(options: WorkerPoolOptions) {
    this.#launch = options.launch;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#places = Array.from({ length: options.count }, (_, index) => emptyPlace(index + 1));
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
    for (const place of this.#places) this.#keep(place);
    return this.#ports;
  }

  get count(): number {
    return this.#places.length;
  }

  /**
   * Replaces every worker, one after the other, each when the one before it is ready and devices
   * are back, as many as there were: nobody but the devices of one worker has to reconnect at a
   * time. Later calls wait for the first.
   */
  replaceAll(): Promise<void> {
    return this.#change(async () => {
      const { signal } = this.#stopping;
      const count = (): Promise<number> => this.#sessionCount();
      for (const place of this.#places) {
        const before = await count();
        await this.#replace(place);
        const backCount = await untilSessionsAreBack({ before, count, clock: this.#clock, signal });
        const facts = { worker: place.worker, before, backCount };
        this.#logger.info("a worker of the gateway is replaced", facts);
      }
    });
  }

  /**
   * One worker more; when it is ready, each of the others hands its share of devices over. One that
   * does not start says why itself, and is given up.
   */
  grow(): Promise<void> {
    return this.#change(async () => {
      const others = [...this.#places];
      const place = emptyPlace(others.length + 1);
      this.#places.push(place);
      this.#logger.info("adding a worker to the gateway", { worker: place.worker });
      try {
        await this.#begin(place);
      } catch {
        this.#places.pop();
        return;
      }
      this.#keep(place);
      for (const { process } of others) process?.makeRoom(1 / this.count);
    });
  }

  /** One worker less, the last one; its devices find the others. The first one stays. */
  shrink(): Promise<void> {
    return this.#change(async () => {
      const place = this.#places.at(-1);
      if (place === undefined || this.count === 1) return;
      this.#logger.info("taking a worker from the gateway", { worker: place.worker });
      place.isGivenUp = true;
      place.process?.stop();
      await place.process?.ended;
      this.#places.pop();
    });
  }

  #change(change: () => Promise<void>): Promise<void> {
    this.#changing = this.#changing.then(() =>
      this.#stopping.signal.aborted ? Promise.resolve() : change(),
    );
    return this.#changing;
  }

  #keep(place: Place): void {
    const supervised = this.#supervise(place);
    this.#supervised.add(supervised);
    void supervised.finally(() => this.#supervised.delete(supervised));
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
  async facts(): Promise<readonly (WorkerFacts & Pick<WorkerProcess, "pid">)[]> {
    const running = this.#places.flatMap(({ process }) => (process === null ? [] : [process]));
    const answers = await Promise.all(
      running.map(async (process) => {
        const facts = await process.ask();
        return facts === null ? [] : [{ ...facts, pid: process.pid }];
      }),
    );
    return answers.flat();
  }

  async #sessionCount(): Promise<number> {
    return (await this.facts()).reduce((sum, { sessionCount }) => sum + sessionCount, 0);
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
      if (signal.aborted || place.isGivenUp) return;
      if (this.#clock.monotonicMs() - startedAtMs > STABLE_MS || place.isReplaced) pauseMs = 0;
      if (!place.isReplaced) {
        const facts = { worker: place.worker, how, pauseMs };
        this.#logger.warn("a worker of the gateway ended and is started again", facts);
      }
      await delay(this.#clock, pauseMs, signal).catch(() => {}); // The loop sees the signal.
      if (signal.aborted || place.isGivenUp) return;
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
