// SPDX-License-Identifier: Apache-2.0
/**
 * The gateway's one stream to the center.
 *
 *     apart → (connect, hello) → greeting → (welcome) → linked → (any failure) → apart, back-off
 *
 * Linked, it sends what its sources have, in their order, one message at a time: the next is asked
 * for when HTTP/2 has taken the one before, so a slow center slows the sources and fills no queue.
 * The stream is for ever: whatever ends it, it is opened again, with full-jitter back-off of up to
 * 10 s. Devices do not notice, except that reports and new sessions wait.
 */
import { create } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { delay, type Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { Random } from "../../ports/random.ts";
import {
  ConnectRequestSchema,
  type ConnectRequest,
  type ConnectResponse,
  type GatewayHello,
  type Welcome,
} from "../../protocol/gen/muster/v1/gateway_pb.ts";
import type { GatewayMetrics } from "../metrics.ts";
import { backOffMs } from "./back-off.ts";
import type { ConnectCenter } from "./center-client.ts";
import { packMessage } from "./packed-messages.ts";
import type { CenterMessage, UplinkSource } from "./uplink-source.ts";
import type { Wakening } from "./wakening.ts";

const WELCOME_TIMEOUT_MS = 10_000;

export interface UplinkOptions {
  readonly connect: ConnectCenter;
  /** Made anew for each stream: it names the leases that are held. */
  readonly hello: () => GatewayHello;
  /** Asked in this order. */
  readonly sources: readonly UplinkSource[];
  readonly welcomed: (welcome: Welcome) => void;
  readonly handle: (message: ConnectResponse) => Promise<void>;
  readonly wakening: Wakening;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: GatewayMetrics;
  readonly logger: Logger;
}

export class Uplink {
  readonly #options: UplinkOptions;
  #isLinked = false;
  /** What the center of the present stream understands. */
  #linkVersion = 0;
  #isFinishing = false;

  constructor(options: UplinkOptions) {
    this.#options = options;
  }

  get isLinked(): boolean {
    return this.#isLinked;
  }

  /** Keeps a stream open until the signal aborts, or `finish` was called. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, logger } = this.#options;
    for (let attempt = 0; !this.#isFinishing && !signal.aborted; attempt += 1) {
      const failure = await this.#stream(signal);
      if (this.#isFinishing || signal.aborted) return;
      if (failure.wasLinked) attempt = 0;
      const delayMs = backOffMs(random, attempt);
      // Once loud, then quiet: a center that is down for a night is one line, not thousands.
      const fields = { error: failure.error, attempt, delayMs };
      if (attempt === 0) logger.warn("center is not reachable", fields);
      else logger.debug("center is still not reachable", fields);
      await delay(clock, delayMs, signal).catch(() => {}); // Aborted: the loop ends.
    }
  }

  /** Sends what waits, then ends the stream; `run` resolves when the center has ended it too. */
  finish(): void {
    this.#isFinishing = true;
    for (const source of this.#options.sources) source.hurry();
    this.#options.wakening.wake();
  }

  async #stream(signal: AbortSignal): Promise<{ wasLinked: boolean; error: unknown }> {
    const { connect, clock, metrics, sources } = this.#options;
    const own = new AbortController();
    const streamSignal = AbortSignal.any([signal, own.signal]);
    const connection = connect();
    const cancelTimer = clock.setTimer(WELCOME_TIMEOUT_MS, () => own.abort());
    let error: unknown;
    let wasLinked = false;
    try {
      const requests = this.#requests(streamSignal);
      for await (const response of connection.client.connect(requests, { signal: streamSignal })) {
        if (response.kind.case === "welcome" && !wasLinked) {
          wasLinked = true;
          cancelTimer();
          this.#link(response.kind.value);
        }
        await this.#options.handle(response);
      }
    } catch (cause) {
      error = ConnectError.from(cause);
    } finally {
      cancelTimer();
      own.abort();
      connection.close();
      this.#isLinked = false;
    }
    if (wasLinked) for (const source of sources) source.linkLost();
    else metrics.uplinkEnded("failed");
    return { wasLinked, error };
  }

  #link(welcome: Welcome): void {
    const { logger, metrics, sources, welcomed } = this.#options;
    logger.info("center welcomed this gateway", {
      gatewayNumber: welcome.gatewayNumber,
      centerIncarnation: welcome.centerIncarnation,
    });
    metrics.uplinkEnded("welcomed");
    welcomed(welcome);
    this.#isLinked = true;
    this.#linkVersion = welcome.linkVersion;
    for (const source of sources) source.linkOpened();
    this.#options.wakening.wake();
  }

  async *#requests(signal: AbortSignal): AsyncGenerator<ConnectRequest> {
    const { hello, wakening } = this.#options;
    yield create(ConnectRequestSchema, { kind: { case: "hello", value: hello() } });
    while (!signal.aborted) {
      const message = this.#isLinked ? this.#next() : null;
      const kind = message === null ? null : packMessage(message, this.#linkVersion);
      if (kind !== null) yield create(ConnectRequestSchema, { kind });
      else if (this.#isFinishing) return;
      else await wakening.wait(signal);
    }
  }

  #next(): CenterMessage | null {
    for (const source of this.#options.sources) {
      const message = source.next();
      if (message !== null) return message;
    }
    return null;
  }
}
