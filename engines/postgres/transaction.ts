// SPDX-License-Identifier: Apache-2.0
/**
 * A transaction whose outcome is never guessed. When the connection is lost before COMMIT was sent,
 * nothing happened, and the same is tried again. When it is lost afterwards, the server is asked on
 * a fresh connection what became of the transaction, by its id (`pg_xact_status`).
 *
 * An id says something about one history of one cluster only: after a failover to a standby that
 * had not received the transaction, the same id may be another's. So the cluster's identity and its
 * timeline, which a promotion changes, are compared first, and where they differ nobody knows.
 *
 * Nor does an id outlast a crash: one of which nothing had reached the disk is given out again. A
 * commit that took place is on the disk, so its id is not. Hence after a crash every answer but
 * "committed" still says that this one did not take place, and "committed" says nothing.
 */
import pg from "pg";
import type { ClientBase, QueryResult } from "pg";
import { isMusterError, MusterError } from "../../domain/errors.ts";
import { faultPoint } from "../../runtime/faults.ts";
import type { Connections } from "./connections.ts";
import { isConnectionWhole, isPassing } from "./postgres-failure.ts";

/** What the work inside says; false rolls back, and the result is returned all the same. */
export interface Outcome<T> {
  readonly keep: boolean;
  readonly result: T;
}

export interface TransactionOptions<T> {
  /** Completes "cannot …". */
  readonly attempted: string;
  /** Statements with which it begins, each ended by a semicolon. */
  readonly first: string;
  readonly work: (client: ClientBase) => Promise<Outcome<T>>;
  readonly signal: AbortSignal;
}

/** What tells a transaction from every other. */
interface Doubt {
  readonly id: string;
  /** Of the cluster, and of which of its histories. */
  readonly history: string;
  /** Of the server's memory, which a crash loses. */
  readonly life: string;
}

/** A transaction of which COMMIT was sent and no answer came. */
interface InDoubt<T> extends Doubt {
  readonly isInDoubt: true;
  readonly result: T;
}

type Ended<T> = { readonly isInDoubt: false; readonly result: T };

/**
 * `system_identifier` is the cluster's since initdb; the first eight digits of a WAL file's name
 * are the timeline.
 */
const HISTORY = `(SELECT system_identifier::text FROM pg_control_system()) || '/' ||
  left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)`;

/**
 * Statistics begin anew after a crash, also after one of a single backend, which leaves the start
 * time as it was. Where somebody resets them by hand nobody knows either, which is safe.
 */
const LIFE = `pg_postmaster_start_time()::text || '/' ||
  coalesce((SELECT stats_reset::text FROM pg_stat_bgwriter), '')`;

/** invalid_parameter_value: of `pg_xact_status`, for an id that was not given out yet. */
const ID_OF_THE_FUTURE = "22023";

/** Tries again while nothing has happened; throws `unavailable` when nobody can say whether. */
export async function transact<T>(
  connections: Connections,
  options: TransactionOptions<T>,
): Promise<T> {
  const { attempted, signal } = options;
  return await connections.persist(attempted, signal, async () => {
    const ended = await connections.use(signal, (client) => once(client, options));
    if (!ended.isInDoubt || (await wasCommitted(connections, ended, options))) return ended.result;
    // It was rolled back; `persist` tries again what fails so.
    throw new Error("Connection terminated in the midst of a commit, which did not take place");
  });
}

async function once<T>(
  client: ClientBase,
  { first, work, signal }: TransactionOptions<T>,
): Promise<Ended<T> | InDoubt<T>> {
  const begun: unknown = await client.query(
    `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; ${first}
     SELECT pg_current_xact_id()::text AS id, ${HISTORY} AS history, ${LIFE} AS life`,
  );
  const facts = (begun as QueryResult<Doubt>[]).at(-1)?.rows[0];
  const { keep, result } = await work(client);
  faultPoint("store.commit.before");
  // Whoever gave up has been told so already: better that nothing happens.
  if (!keep || signal.aborted) {
    await client.query("ROLLBACK");
    signal.throwIfAborted();
    return { isInDoubt: false, result };
  }
  try {
    await client.query("COMMIT");
  } catch (error) {
    if (isConnectionWhole(error) || !isPassing(error) || facts === undefined) throw error;
    return { isInDoubt: true, ...facts, result };
  }
  faultPoint("store.commit.after");
  return { isInDoubt: false, result };
}

/** Asks until there is an answer or patience ends. */
async function wasCommitted<T>(
  connections: Connections,
  doubt: InDoubt<T>,
  { attempted, signal }: TransactionOptions<T>,
): Promise<boolean> {
  const unknown = (why: string, cause?: unknown): MusterError =>
    new MusterError({
      code: "unavailable",
      message:
        `cannot ${attempted} on PostgreSQL at ${connections.server}: the connection was lost in ` +
        `the midst of a commit, and ${why}`,
      cause,
      detail: { hint: "read again before you repeat it: it may have taken place" },
    });
  const ask = async (client: ClientBase): Promise<boolean> => {
    const { status, isSameLife } = await readStatus(client, doubt);
    if (status === "aborted") return false;
    if (status === "committed" && isSameLife) return true;
    // Another's, of the same id: so it was given out again, and ours did not take place.
    if (status === "in progress" && !isSameLife) return false;
    // Its backend has not noticed that its client is gone, or waits for a standby.
    if (status === "in progress") throw new Error("Connection terminated, its commit goes on");
    // After a crash or a failover to a server that lagged behind, or an age later.
    throw unknown("the server does not know what became of it");
  };
  try {
    return await connections.read(attempted, signal, ask);
  } catch (error) {
    // Without an answer this is no commit that failed: it may have taken place.
    if (!isMusterError(error) || error.cause === undefined) throw error;
    throw unknown("the server could not be asked what became of it", error);
  }
}

/** `status` null: of another history, or too old. */
async function readStatus(
  client: ClientBase,
  { id, history, life }: Doubt,
): Promise<{ status: string | null; isSameLife: boolean }> {
  const text = `SELECT pg_xact_status($1::xid8) AS status, ${LIFE} = $3 AS "isSameLife"
    WHERE ${HISTORY} = $2`;
  try {
    const values = [id, history, life];
    const { rows } = await client.query<{ status: string | null; isSameLife: boolean }>(
      text,
      values,
    );
    return rows[0] ?? { status: null, isSameLife: false };
  } catch (error) {
    const isFuture = error instanceof pg.DatabaseError && error.code === ID_OF_THE_FUTURE;
    if (isFuture) return { status: "aborted", isSameLife: false };
    throw error;
  }
}
