// SPDX-License-Identifier: Apache-2.0
/**
 * The gateways of a swarm: given by hand, or the center's directory. A device picks by the hash of
 * its id, and goes round from there, so that a fleet spreads and each device stays where it was.
 */
import { describeError, isMusterError } from "../../domain/errors.ts";
import { hash53 } from "../../domain/hash.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import { connectUntrusted, fetchDirectory, trustCenter } from "../../agent/trust/est-client.ts";
import type { WorkingTime } from "../../agent/trust/working-time.ts";
import type { GatewayAddress } from "../../agent/link/gateway-address.ts";

/** Thousands of devices may lose their gateway together and ask together. */
const REFRESH_EVERY_MS = 2_000;

export class SwarmGateways {
  readonly #options: {
    readonly enrolmentUrl: string;
    readonly caPem: string;
    readonly region: string | null;
    readonly workingTime: WorkingTime;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly signal: AbortSignal;
  };
  readonly #isFixed: boolean;
  #gateways: readonly GatewayAddress[];
  #refreshing: Promise<void> | null = null;
  #refreshedMs = -Infinity;

  /** `given` non-empty = those, and nobody is asked. `region`: its gateways, where it has any. */
  constructor(options: {
    given: readonly GatewayAddress[];
    enrolmentUrl: string;
    caPem: string;
    region: string | null;
    workingTime: WorkingTime;
    clock: Clock;
    logger: Logger;
    signal: AbortSignal;
  }) {
    this.#options = options;
    this.#gateways = options.given;
    this.#isFixed = options.given.length > 0;
  }

  get count(): number {
    return this.#gateways.length;
  }

  /** The gateway of a device after so many moves; null when none is known. */
  pick(device: string, moveCount: number): GatewayAddress | null {
    const { length } = this.#gateways;
    if (length === 0) return null;
    return this.#gateways[(hash53("gateway", device) + moveCount) % length] ?? null;
  }

  /** Asks the center, at most every two seconds; without an answer, what was known stays. */
  refresh(): Promise<void> {
    const { clock } = this.#options;
    const isFresh = clock.monotonicMs() - this.#refreshedMs < REFRESH_EVERY_MS;
    if (this.#isFixed || isFresh) return Promise.resolve();
    this.#refreshing ??= this.#ask().finally(() => {
      this.#refreshing = null;
      this.#refreshedMs = clock.monotonicMs();
    });
    return this.#refreshing;
  }

  async #ask(): Promise<void> {
    const { enrolmentUrl, caPem, region, workingTime, logger, signal } = this.#options;
    try {
      using connection = await connectUntrusted({ enrolmentUrl, signal });
      trustCenter(connection, { caPem, workingTime });
      const { gateways } = await fetchDirectory(connection, { signal });
      const near = gateways.filter((gateway) => gateway.region === region);
      // In one order for all, or the hash would lead elsewhere after each answer.
      this.#gateways = (near.length > 0 ? near : gateways).toSorted((one, other) =>
        one.gateway < other.gateway ? -1 : 1,
      );
    } catch (error) {
      if (!isMusterError(error)) throw error;
      if (signal.aborted) return;
      logger.info("The gateway directory could not be refreshed; the known one is used.", {
        why: describeError(error),
        knownCount: this.#gateways.length,
      });
    }
  }
}
