// SPDX-License-Identifier: Apache-2.0
/**
 * What the driver and the server report as Muster's failures, by SQLSTATE (PostgreSQL's appendix A)
 * or by what Node says of the connection. Codes that only a fault of our own SQL can produce are
 * not translated: they are bugs and stay what they are.
 */
import pg from "pg";
import { isMusterError, MusterError } from "../../domain/errors.ts";
import type { ErrorCode } from "../../domain/errors.ts";

/** What may go by: the same work is done again on a fresh connection. */
const PASSING_STATES = new Set([
  "25006", // read_only_sql_transaction: a standby that is about to be promoted
  "25P03", // idle_in_transaction_session_timeout: this process stood still
  "40001", // serialization_failure
  "40P01", // deadlock_detected
  "53300", // too_many_connections
  "57014", // query_canceled: statement_timeout
  "57P01", // admin_shutdown
  "57P02", // crash_shutdown
  "57P03", // cannot_connect_now: it is starting
  "57P05", // idle_session_timeout
  "55P03", // lock_not_available: lock_timeout
]);
/** connection_exception and everything in it. */
const CONNECTION_CLASS = "08";

/** Node's codes for a connection that is not there, or no longer. */
const PASSING_CODES = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENETDOWN",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ENOENT", // the socket in the file system
]);

/** The driver has no codes for these. */
const PASSING_MESSAGES =
  /^Connection terminated|^timeout expired|^timeout exceeded|^Query read timeout|not queryable/;

interface Translation {
  readonly code: ErrorCode;
  readonly wrong: string;
  readonly hint: string;
}

const REFUSED: Translation = {
  code: "unauthenticated",
  wrong: "it refused the user or the password",
  hint: "check the user of the URL, and PGPASSWORD or ~/.pgpass",
};
const RESTORE = "restore the database from a backup; keep the damaged one for study";
const DAMAGED: Translation = { code: "corrupt", wrong: "its data is damaged", hint: RESTORE };

const TRANSLATIONS: ReadonlyMap<string, Translation> = new Map([
  ["28P01", REFUSED],
  ["28000", REFUSED],
  [
    "3D000",
    {
      code: "failed_precondition",
      wrong: "it has no such database",
      hint: "create it: createdb --owner USER DATABASE",
    },
  ],
  [
    "42501",
    {
      code: "failed_precondition",
      wrong: "the user may not do this",
      hint: "let the user of the URL own the database",
    },
  ],
  [
    "53100",
    {
      code: "no_space",
      wrong: "its disk is full; nothing was changed",
      hint: "free space on that disk; Muster goes on by itself",
    },
  ],
  [
    "58030",
    {
      code: "unavailable",
      wrong: "its disk reported an error",
      hint: "check that disk and the log of PostgreSQL",
    },
  ],
  [
    "22021",
    {
      code: "invalid_argument",
      wrong: "a name has a character that no text may hold (U+0000)",
      hint: "leave that character out",
    },
  ],
  ["XX001", DAMAGED],
  ["XX002", DAMAGED],
]);

/** True when the same may succeed on a fresh connection, now or soon. */
export function isPassing(error: unknown): boolean {
  if (error instanceof pg.DatabaseError) {
    const { code = "" } = error;
    return PASSING_STATES.has(code) || code.startsWith(CONNECTION_CLASS);
  }
  if (!(error instanceof Error) || isMusterError(error)) return false;
  if ("code" in error && PASSING_CODES.has(String(error.code))) return true;
  if (error instanceof AggregateError) return error.errors.some(isPassing);
  return PASSING_MESSAGES.test(error.message);
}

/** The server said no to what it was asked, and so the connection is as good as before. */
export function isConnectionWhole(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.severity === "ERROR";
}

/** The failure to throw for `error`; `attempted` completes "cannot …": `open the store`. */
export function postgresFailure(error: unknown, attempted: string, server: string): unknown {
  const on = `on PostgreSQL at ${server}`;
  if (isPassing(error)) {
    return new MusterError({
      code: "unavailable",
      message: `cannot ${attempted} ${on}: ${wordsOf(error)}`,
      cause: error,
      detail: { hint: "check that it runs and can be reached from here; Muster goes on by itself" },
    });
  }
  const translation = TRANSLATIONS.get(error instanceof pg.DatabaseError ? (error.code ?? "") : "");
  if (translation === undefined) return error;
  const { code, wrong, hint } = translation;
  const message = `cannot ${attempted} ${on}: ${wrong}`;
  return new MusterError({ code, message, cause: error, detail: { hint } });
}

/** While a connection is made everything is somebody's to mend: the driver's own words say what. */
export function connectFailure(error: unknown, server: string): unknown {
  const attempted = "open a connection";
  if (!(error instanceof Error) || isMusterError(error)) return error;
  if (isPassing(error)) return error;
  const known = postgresFailure(error, attempted, server);
  if (known !== error) return known;
  const on = `on PostgreSQL at ${server}`;
  if (error.message.startsWith("SASL")) {
    const { code, hint } = REFUSED;
    const message = `cannot ${attempted} ${on}: it asks for a password and there is none`;
    return new MusterError({ code, message, cause: error, detail: { hint } });
  }
  return new MusterError({
    code: "failed_precondition",
    message: `cannot ${attempted} ${on}: ${error.message}`,
    cause: error,
    detail: { hint: "check the URL, and with sslmode the server's certificate and authority" },
  });
}

/** The part of a passing error that a person can use. */
function wordsOf(error: unknown): string {
  if (error instanceof AggregateError) return wordsOf(error.errors[0]);
  if (!(error instanceof Error)) return "the connection is lost";
  if (error.message.startsWith("Connection terminated due to")) return "it does not answer";
  return error.message.charAt(0).toLowerCase() + error.message.slice(1);
}
