// SPDX-License-Identifier: Apache-2.0
/**
 * Connections to the server: a bounded pool, each set up so that neither side waits for the other
 * for ever, and the one place in which work is tried again.
 */
import pg from "pg";
import type { ClientBase, PoolClient } from "pg";
import { delay, type Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import { connectFailure, isConnectionWhole, isPassing } from "./postgres-failure.ts";
import { postgresFailure } from "./postgres-failure.ts";
import type { ServerAddress } from "./server-address.ts";

/**
 * A center's writes queue at a few rows (the audit log, a rollout's pages), so more connections
 * would only wait for one another in the server; reads of the API run beside them. Five centers
 * stay below the 100 that PostgreSQL takes by default.
 */
const MAX_CONNECTIONS = 10;
const CONNECT_TIMEOUT_MS = 5_000;
/** A connection that nobody used for so long is closed. */
const IDLE_TIMEOUT_MS = 60_000;
const KEEP_ALIVE_MS = 10_000;
/** The longest statement, 2,000 writes of a commit, takes some seconds on a slow disk. */
const STATEMENT_TIMEOUT_MS = 30_000;
/** The server answers every statement within its time: who hears nothing has no connection. */
const ANSWER_TIMEOUT_MS = STATEMENT_TIMEOUT_MS + 5_000;

/**
 * - A process that stands still in the midst of a transaction holds its fence's lock: the next
 *   leader waits for it no longer than `idle_in_transaction_session_timeout`.
 * - A client whose machine is gone is noticed by the server's own keepalives.
 * - With `synchronous_commit = off` a commit that returned could be lost; every stronger setting
 *   is the operator's choice.
 */
const SET_UP = `
  SELECT set_config('statement_timeout', '${STATEMENT_TIMEOUT_MS}', false),
    set_config('lock_timeout', '10000', false),
    set_config('idle_in_transaction_session_timeout', '3000', false),
    set_config('tcp_keepalives_idle', '10', false),
    set_config('tcp_keepalives_interval', '5', false),
    set_config('tcp_keepalives_count', '3', false),
    set_config('client_encoding', 'UTF8', false);
  SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') = 'off';`;

/** First pause before work is tried again, doubled each time up to the second. */
const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 1_000;

const INT8 = 20;

export interface ConnectionsOptions {
  readonly address: ServerAddress;
  /** Shown in `pg_stat_activity`. */
  readonly applicationName: string;
  /** How long work is tried again while the server is away. */
  readonly patienceMs: number;
  /** For pauses. */
  readonly clock: Clock;
  readonly logger: Logger;
}

/** One try: on what connection it runs is its own affair. */
export type Try<T> = () => Promise<T>;

export class Connections {
  readonly server: string;
  readonly #pool: pg.Pool;
  readonly #patienceMs: number;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #isAway = false;

  constructor(options: ConnectionsOptions) {
    const { address, applicationName, patienceMs, clock, logger } = options;
    this.server = address.name;
    this.#patienceMs = patienceMs;
    this.#clock = clock;
    this.#logger = logger;
    this.#pool = new pg.Pool({
      connectionString: address.url,
      application_name: applicationName,
      max: MAX_CONNECTIONS,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      idleTimeoutMillis: IDLE_TIMEOUT_MS,
      query_timeout: ANSWER_TIMEOUT_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
      types: { getTypeParser: parserOf },
      onConnect: async (client: ClientBase) => {
        await client.query(SET_UP);
      },
    });
    // A connection broke. Whoever uses it hears of it from the statement that failed; an idle one
    // leaves the pool, and whoever needs one gets another.
    this.#pool.on("error", () => undefined);
    this.#pool.on("connect", (client) => {
      client.on("error", () => undefined);
    });
  }

  /** Runs reading work on a connection, and again on a fresh one when that one was lost. */
  read<T>(
    attempted: string,
    signal: AbortSignal,
    work: (client: ClientBase) => Promise<T>,
  ): Promise<T> {
    return this.persist(attempted, signal, () => this.use(signal, work));
  }

  /** One try of work on one connection, which is thrown away when it is no longer whole. */
  async use<T>(signal: AbortSignal, work: (client: ClientBase) => Promise<T>): Promise<T> {
    const client = await this.#acquire(signal);
    let isWhole = false;
    try {
      const result = await work(client);
      isWhole = true;
      return result;
    } catch (error) {
      isWhole = isConnectionWhole(error);
      // The server ended the statement; a transaction it was in is still open.
      if (isWhole) isWhole = await endTransaction(client);
      throw error;
    } finally {
      client.release(!isWhole);
    }
  }

  /**
   * Tries until it succeeds, fails for good, or has failed for as long as patience lasts. Throws
   * MusterError, the signal's reason, or a bug as it came.
   */
  async persist<T>(attempted: string, signal: AbortSignal, once: Try<T>): Promise<T> {
    const endMs = this.#clock.monotonicMs() + this.#patienceMs;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)) {
      signal.throwIfAborted();
      try {
        const result = await once();
        this.#noteBack();
        return result;
      } catch (error) {
        if (!isPassing(error)) throw postgresFailure(error, attempted, this.server);
        this.#noteAway(error);
        if (this.#clock.monotonicMs() + pauseMs > endMs) {
          throw postgresFailure(error, attempted, this.server);
        }
      }
      await delay(this.#clock, pauseMs, signal);
    }
  }

  /** Waits for connections in use. */
  end(): Promise<void> {
    return this.#pool.end();
  }

  async #acquire(signal: AbortSignal): Promise<PoolClient> {
    let client: PoolClient;
    try {
      client = await this.#pool.connect();
    } catch (error) {
      throw connectFailure(error, this.server);
    }
    if (!signal.aborted) return client;
    client.release();
    throw signal.reason;
  }

  #noteAway(error: unknown): void {
    if (this.#isAway) return;
    this.#isAway = true;
    this.#logger.warn("the store's server does not answer; what it was asked is tried again", {
      server: this.server,
      error,
    });
  }

  #noteBack(): void {
    if (!this.#isAway) return;
    this.#isAway = false;
    this.#logger.info("the store's server answers again", { server: this.server });
  }
}

async function endTransaction(client: ClientBase): Promise<boolean> {
  try {
    await client.query("ROLLBACK"); // outside a transaction it is a notice
    return true;
  } catch {
    return false; // the caller throws what came first
  }
}

/** bigint as number: no count of ours comes near 2^53. */
function parserOf(type: number, format?: "text" | "binary"): (text: string) => unknown {
  if (type === INT8 && format !== "binary") return Number;
  return pg.types.getTypeParser(type, format) as (text: string) => unknown;
}
