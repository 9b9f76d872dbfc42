// SPDX-License-Identifier: Apache-2.0
/** A running swarm, from the first dial to the last goodbye. */
import assert from "node:assert/strict";
import type { RunningSwarm, SwarmDeviceView } from "./options.ts";
import type { Pace } from "./pace.ts";
import type { SwarmContext } from "./swarm-context.ts";
import type { SwarmDevice } from "./swarm-device.ts";
import type { SwarmStats } from "./swarm-stats.ts";

export class SwarmLife implements RunningSwarm {
  readonly devicesOfSwarm: SwarmDevice[] = [];
  readonly failed: Promise<never>;
  readonly #stop = new AbortController();
  readonly #reject: (error: unknown) => void;
  readonly #signal: AbortSignal;
  /** One for all devices. */
  readonly #pace: Pace;
  #context: SwarmContext | null = null;
  #stopping: Promise<void> | null = null;

  constructor(options: { signal: AbortSignal; pace: Pace }) {
    const { promise, reject } = Promise.withResolvers<never>();
    this.failed = promise;
    this.failed.catch(() => {}); // Whoever waits for it gets the failure.
    this.#reject = reject;
    this.#signal = options.signal;
    this.#pace = options.pace;
  }

  /** Aborts when the swarm stops. */
  get stopped(): AbortSignal {
    return this.#stop.signal;
  }

  get journalFile(): string {
    return this.#running().journal.file;
  }

  /** Everybody dials; resolves at once when the gateways were asked for. */
  async begin(context: SwarmContext): Promise<void> {
    this.#context = context;
    this.#signal.addEventListener("abort", this.#onAbort, { once: true });
    await context.gateways.refresh();
    context.wheel.start();
    for (const device of this.devicesOfSwarm) device.start();
    if (this.#signal.aborted) this.#onAbort();
  }

  stats(): SwarmStats {
    let pendingReports = 0;
    let doubleActivations = 0;
    for (const { model } of this.devicesOfSwarm) {
      pendingReports += model.pendingReportCount;
      doubleActivations += model.doubleActivationCount;
    }
    return { ...this.#running().counts, pendingReports, doubleActivations };
  }

  *devices(): Generator<SwarmDeviceView> {
    for (const { model, isConnected } of this.devicesOfSwarm) {
      const running = model.statuses();
      yield {
        id: model.device,
        behaviour: model.behaviour,
        isConnected,
        digest: running.app?.digest ?? "",
        running,
        activations: model.activations,
        doubleActivations: model.doubleActivationCount,
        exposedRollouts: [...model.exposedRollouts],
        pendingReports: model.pendingReportCount,
      };
    }
  }

  flush(): Promise<void> {
    return this.#running().journal.flush();
  }

  setPace(changes: Partial<Pace>): void {
    Object.assign(this.#pace, changes);
  }

  fail(error: unknown): void {
    this.#reject(error);
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#end();
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  readonly #onAbort = (): void => void this.stop();

  async #end(): Promise<void> {
    const { wheel, pool, journal } = this.#running();
    this.#signal.removeEventListener("abort", this.#onAbort);
    wheel.stop();
    this.#stop.abort(new Error("the swarm stops"));
    await Promise.all(this.devicesOfSwarm.map((device) => device.stop()));
    pool.close();
    await journal.close();
  }

  #running(): SwarmContext {
    assert(this.#context !== null, "the swarm runs");
    return this.#context;
  }
}
