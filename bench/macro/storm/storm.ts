// SPDX-License-Identifier: Apache-2.0
/** What every storm has: a gateway under it, generators, and figures that come out of it. */
import { delay } from "../../../ports/clock.ts";
import { systemClock } from "../../../runtime/system-clock.ts";
import { startLoad, type Load, type LoadAnswer } from "../gateway/load.ts";
import { startMuster, type MusterServer } from "../gateway/muster-server.ts";
import { readProcessFacts } from "../rollout/process-facts.ts";

/** Value and unit by what was measured. */
export type Figures = { readonly [metric: string]: readonly [value: number, unit: string] };

export interface StormOptions {
  /** A folder of this run's own. */
  readonly folder: string;
  /** Of the size that is promised; 0.1 is a tenth of the devices, and of the load. */
  readonly scale: number;
  /** Of the time that it takes; less says less. */
  readonly timeScale: number;
  /** The command `muster`. */
  readonly program: string;
  /** Where the gateway's CPU profile goes; "" = none. */
  readonly profile: string;
}

/** Connections that are being made at once, before the storm. */
export const CONNECTS_AT_ONCE = 64;
/** A process has 20,000 file descriptors; some are not connections. */
export const MOST_CONNECTIONS = 19_500;
const SAMPLE_MS = 250;

export class Storm implements AsyncDisposable {
  readonly gateway: MusterServer;
  readonly #loads: Load[] = [];
  #firstDevice = 0;

  constructor(gateway: MusterServer) {
    this.gateway = gateway;
  }

  static async begin(options: StormOptions, deviceCount: number): Promise<Storm> {
    const { folder, program, profile } = options;
    const server = { folder, program, profile, deviceCount };
    return new Storm(await startMuster(server, { "max-connections": MOST_CONNECTIONS }));
  }

  /** A generator of so many devices that nobody else has. `givesWay`: those that make the storm. */
  async devices(deviceCount: number, givesWay = false): Promise<Load> {
    const load = await startLoad({
      port: this.gateway.port,
      deviceCount,
      firstDevice: this.#firstDevice,
      givesWay,
    });
    this.#firstDevice += deviceCount;
    this.#loads.push(load);
    return load;
  }

  /** So many devices, the first ones, connect by other means than a generator. */
  reserve(deviceCount: number): void {
    this.#firstDevice += deviceCount;
  }

  /** The largest resident memory of the gateway while `work` goes on, and its CPU time. */
  async measured<Result>(work: Promise<Result>): Promise<Measured<Result>> {
    const { pid } = this.gateway;
    const before = await readProcessFacts(pid);
    const ended = new AbortController();
    const sampling = mostRss(pid, ended.signal);
    const startMs = systemClock.monotonicMs();
    const result = await work.finally(() => ended.abort());
    const seconds = (systemClock.monotonicMs() - startMs) / 1_000;
    const after = await readProcessFacts(pid);
    const mostBytes = Math.max(before.rssBytes, await sampling);
    return { result, mostBytes, cores: (after.cpuSeconds - before.cpuSeconds) / seconds };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#loads.map((load) => load.stop()));
    await this.gateway[Symbol.asyncDispose]();
  }
}

async function mostRss(pid: number, signal: AbortSignal): Promise<number> {
  let mostBytes = 0;
  while (!signal.aborted) {
    mostBytes = Math.max(mostBytes, (await readProcessFacts(pid)).rssBytes);
    await delay(systemClock, SAMPLE_MS, signal).catch(() => {}); // The loop sees the signal.
  }
  return mostBytes;
}

export interface Measured<Result> {
  readonly result: Result;
  readonly mostBytes: number;
  readonly cores: number;
}

/** Part of the messages that were due and were acknowledged; 1 = all. */
export function servedShare({ acknowledged, due }: LoadAnswer): number {
  return acknowledged / due;
}
