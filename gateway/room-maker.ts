// SPDX-License-Identifier: Apache-2.0
/**
 * A worker that has more than its share hands devices to the workers beside it. The system shares
 * only new connections out: so this one takes none while devices of it reconnect, and they all find
 * the others. It listens again shortly afterwards, whatever became of them.
 */
import { delay, type Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import type { DeviceListener } from "./listeners/device-listener.ts";
import { sendPartAway } from "./send-away.ts";
import type { SessionTable } from "./sessions/session-table.ts";

/** A device's first pause before it reconnects is a second at most; a handshake may wait, too. */
const RETURN_MS = 3_000;
/** While the port is not ours to take again, it is tried so often. */
const RETRY_MS = 1_000;

type Listener = Pick<DeviceListener, "stopAccepting" | "acceptAgain">;

export interface RoomMakerOptions {
  readonly table: SessionTable;
  readonly listeners: readonly Listener[];
  readonly clock: Clock;
  readonly logger: Logger;
}

export class RoomMaker {
  readonly #options: RoomMakerOptions;
  readonly #stopping = new AbortController();
  #underWay: Promise<void> | null = null;

  constructor(options: RoomMakerOptions) {
    this.#options = options;
  }

  /** Hands over this part (0 to 1); resolves when the worker listens again. */
  make(part: number): Promise<void> {
    if (this.#stopping.signal.aborted) return Promise.resolve();
    this.#underWay ??= this.#make(part).finally(() => (this.#underWay = null));
    return this.#underWay;
  }

  /** The gateway drains: what is under way ends, and it does not listen again. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#underWay;
  }

  async #make(part: number): Promise<void> {
    const { table, listeners, clock, logger } = this.#options;
    const { signal } = this.#stopping;
    logger.info("handing devices to the other workers", { sessions: table.openCount, part });
    for (const listener of listeners) listener.stopAccepting();
    await sendPartAway(table, part, clock, signal);
    await delay(clock, RETURN_MS, signal).catch(() => {}); // Then it does not listen again.
    for (const listener of listeners) await this.#listenAgain(listener);
  }

  async #listenAgain(listener: Listener): Promise<void> {
    const { clock, logger } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        return await listener.acceptAgain();
      } catch (error) {
        logger.warn("this worker cannot listen again yet", { error });
      }
      await delay(clock, RETRY_MS, signal).catch(() => {}); // The loop sees the signal.
    }
  }
}
