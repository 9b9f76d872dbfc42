// SPDX-License-Identifier: Apache-2.0
/**
 * A running agent from its start to its end. States: starting → running (`begin`) → stopping
 * (`stop`, or a part that failed) → ended (everything that was held is released, in reverse order).
 */
import assert from "node:assert/strict";
import type { SlotStatuses } from "../protocol/device/status.ts";
import { DEFAULT_STOP_TIMEOUT_MS } from "./options.ts";
import type { RunningAgent } from "./options.ts";
import type { AgentBase, WiredAgent } from "./wiring.ts";

export class AgentLife implements RunningAgent {
  readonly #base: AgentBase;
  readonly #stop = new AbortController();
  readonly #halt = new AbortController();
  #wired: WiredAgent | null = null;
  #adminPort = 0;
  #ended: Promise<void> = Promise.resolve();

  constructor(base: AgentBase) {
    this.#base = base;
  }

  get halt(): AbortSignal {
    return this.#halt.signal;
  }
  get tenant(): string {
    return this.#running().identity.tenant;
  }
  get device(): string {
    return this.#running().identity.device;
  }
  get adminPort(): number {
    return this.#adminPort;
  }
  get isConnected(): boolean {
    return this.#wired?.link.isConnected === true;
  }
  get ended(): Promise<void> {
    return this.#ended;
  }

  statuses(): SlotStatuses {
    return this.#running().evidence.statuses();
  }

  /** For /readyz: sentences; none = ready. */
  notReadyBecause(): readonly string[] {
    if (this.#stop.signal.aborted) return ["the agent is stopping"];
    if (this.#wired === null) return ["the device is not enrolled yet"];
    return this.isConnected ? [] : ["the device is not connected to a gateway"];
  }

  /** Measures, then starts everything that runs until the end. `held` is released after it. */
  async begin(wired: WiredAgent, adminPort: number, held: AsyncDisposableStack): Promise<void> {
    const { agent, identity, outbox, evidence } = wired;
    this.#adminPort = adminPort;
    if (wired.journalWasRebuilt) this.#base.metrics.journalRebuilt();
    this.#base.sources.current = {
      statuses: () => evidence.statuses(),
      pendingReportCount: () => outbox.pending().length,
      certificateEndsMs: () => identity.certificateEndsMs,
    };
    await agent.measure();
    this.#wired = wired;
    const { tenant, device } = identity;
    this.#base.options.logger.info("The agent runs.", { tenant, device, adminPort });
    this.#ended = this.#run(wired, held);
    // Whoever waits for `ended` gets the failure; nobody waiting must not end the process.
    this.#ended.catch(() => {});
  }

  async stop(signal?: AbortSignal): Promise<void> {
    const { clock, options } = this.#base;
    const timeoutMs = options.stopTimeoutMs ?? DEFAULT_STOP_TIMEOUT_MS;
    const cutShort = (): void => this.#halt.abort();
    this.#stop.abort();
    const cancelTimer = clock.setTimer(timeoutMs, cutShort);
    signal?.addEventListener("abort", cutShort, { once: true });
    if (signal?.aborted === true) cutShort();
    try {
      await this.#ended;
    } finally {
      cancelTimer();
      signal?.removeEventListener("abort", cutShort);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #run(wired: WiredAgent, held: AsyncDisposableStack): Promise<void> {
    const stop = this.#stop.signal;
    const parts = [
      wired.agent.run(stop),
      wired.link.run(stop),
      wired.identity.renewInTime(stop),
      this.#prepareTrust(wired, stop),
    ];
    try {
      await Promise.all(parts);
    } catch (error) {
      this.#base.options.logger.error("A part of the agent failed; the agent ends.", { error });
      throw error;
    } finally {
      this.#stop.abort();
      this.#halt.abort();
      await Promise.allSettled(parts);
      await held.disposeAsync();
    }
  }

  /** Off the link's way: the first offer is verified sooner, a wrong clock is found out early. */
  async #prepareTrust(wired: WiredAgent, stop: AbortSignal): Promise<void> {
    const { trust, time, identity } = wired;
    try {
      const anchors = { caPem: identity.stored.caPem, keys: trust.offerKeys() };
      if (time.isClockBehind) await time.askCenter(anchors, stop);
      await trust.refreshAtStart(stop);
    } catch (error) {
      if (!stop.aborted) throw error;
    }
  }

  #running(): WiredAgent {
    assert(this.#wired !== null, "the agent runs");
    return this.#wired;
  }
}
