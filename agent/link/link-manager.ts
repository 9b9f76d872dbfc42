// SPDX-License-Identifier: Apache-2.0
/**
 * Keeps the device connected: one gateway after the other, with back-off, for ever. After the
 * fourth failure in a row it says `link-exhausted` to the layer above, asks the center for its
 * directory again, and goes on.
 */
import { describeError, toMusterError } from "../../domain/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import { delay } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { Backoff } from "./backoff.ts";
import type { Connection, Dialer, Dialled, DownHandler } from "./connection.ts";
import { gatewayName } from "./gateway-address.ts";
import type { GatewayAddress } from "./gateway-address.ts";
import type { GatewayCandidates } from "./gateway-candidates.ts";

/** A connection that has held this long was a good one: the next outage begins from the start. */
const STABLE_MS = 30_000;
/**
 * A dial that does not end counts as failed. More than its parts have together: 25 s for connection
 * and handshake, 10 s for CONNACK.
 */
const DIAL_TIMEOUT_MS = 40_000;
/** In a row, without a pause: who is sent on more often is sent in a circle. */
const MAX_REDIRECTS = 3;

interface Reached {
  readonly gateway: GatewayAddress;
  /** Null: it has none. */
  readonly connection: Connection | null;
}

export interface LinkObserver {
  linkUp(gateway: GatewayAddress): void;
  linkDown(reason: string): void;
  dialFailed(): void;
  linkExhausted(): void;
}

export interface LinkManagerOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly backoff: Backoff;
  readonly candidates: GatewayCandidates;
  readonly dialer: Dialer;
  readonly observer: LinkObserver;
  /** The layer above, once an outage, before it is tried on. */
  readonly onExhausted: (signal: AbortSignal) => Promise<void>;
  readonly onMessage: DownHandler;
  /** Uses the connection until it is over, and says why it is. */
  readonly useConnection: (connection: Connection, stop: AbortSignal) => Promise<string>;
}

export class LinkManager {
  readonly #options: LinkManagerOptions;
  #isConnected = false;

  constructor(options: LinkManagerOptions) {
    this.#options = options;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Returns when `stop` aborts and the last connection is closed. */
  async run(stop: AbortSignal): Promise<void> {
    try {
      await this.#options.candidates.refresh(stop);
      while (!stop.aborted) await this.#turn(stop);
    } catch (error) {
      if (!stop.aborted) throw error;
    }
  }

  async #turn(stop: AbortSignal): Promise<void> {
    const { clock, backoff, candidates } = this.#options;
    const gateway = candidates.current();
    const last = gateway === null ? null : await this.#reach(gateway, stop);
    if (last !== null && last.connection !== null) {
      const openedMs = clock.monotonicMs();
      await this.#use(last.gateway, last.connection, stop);
      if (clock.monotonicMs() - openedMs >= STABLE_MS) backoff.reset();
    }
    if (stop.aborted) return;
    // Where it was sent to, when that is in the list; otherwise who sent it there.
    const left = candidates.current();
    if (left !== null && (left === gateway || left === last?.gateway)) candidates.moveOn(left);
    await this.#pause(stop);
  }

  /** Follows where gateways that are full send us; the last one asked, and what came of it. */
  async #reach(first: GatewayAddress, stop: AbortSignal): Promise<Reached> {
    const { candidates, logger } = this.#options;
    let gateway = first;
    for (let redirectCount = 0; ; redirectCount += 1) {
      const dialled = await this.#dial(gateway, stop);
      if (dialled === null) return { gateway, connection: null };
      if (dialled.kind === "connected") return { gateway, connection: dialled.connection };
      const next = redirectCount < MAX_REDIRECTS ? candidates.redirect(dialled.reference) : null;
      const facts = { gateway: gatewayName(gateway), reference: dialled.reference };
      logger.info("A gateway is full and names another one.", facts);
      if (next === null) return { gateway, connection: null };
      gateway = next;
    }
  }

  async #use(gateway: GatewayAddress, connection: Connection, stop: AbortSignal): Promise<void> {
    const { logger, observer, useConnection } = this.#options;
    const name = gatewayName(gateway);
    observer.linkUp(gateway);
    logger.info("Connected to a gateway.", { gateway: name });
    this.#isConnected = true;
    const reason = await useConnection(connection, stop);
    this.#isConnected = false;
    observer.linkDown(reason);
    logger.info("The connection to the gateway is over.", { gateway: name, reason });
  }

  /** Null when it failed. */
  async #dial(gateway: GatewayAddress, stop: AbortSignal): Promise<Dialled | null> {
    const { clock, dialer, onMessage, observer, logger } = this.#options;
    const timeout = new AbortController();
    const cancelTimer = clock.setTimer(DIAL_TIMEOUT_MS, () => timeout.abort());
    const signal = AbortSignal.any([stop, timeout.signal]);
    try {
      return await dialer.dial({ gateway, onMessage, signal });
    } catch (error) {
      if (stop.aborted) return null;
      const why = describeError(toMusterError(error, "connecting to a gateway"));
      logger.info("A gateway cannot be reached.", { gateway: gatewayName(gateway), why, error });
      observer.dialFailed();
      return null;
    } finally {
      cancelTimer();
    }
  }

  async #pause(stop: AbortSignal): Promise<void> {
    const { clock, backoff, observer, logger, candidates, onExhausted } = this.#options;
    const { delayMs, failureCount, isExhausted } = backoff.fail();
    if (isExhausted) {
      logger.warn("The link is exhausted: no gateway for four tries. Trying on, for ever.", {
        event: "link-exhausted",
        failureCount,
      });
      observer.linkExhausted();
      await onExhausted(stop);
    }
    await delay(clock, delayMs, stop);
    if (isExhausted || candidates.count === 0) await candidates.refresh(stop);
  }
}
