// SPDX-License-Identifier: Apache-2.0
/**
 * SQLite's result codes as Muster's failures (https://sqlite.org/rescode.html). Codes that only a
 * fault of our own SQL can produce are not translated: they are bugs and stay what they are.
 */
import { dirname } from "node:path";
import { MusterError } from "../domain/errors.ts";
import type { ErrorCode } from "../domain/errors.ts";

const SQLITE_BUSY = 5;
const SQLITE_READONLY = 8;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_TOOBIG = 18;
const SQLITE_NOTADB = 26;

interface Translation {
  readonly code: ErrorCode;
  readonly wrong: string;
  readonly hint: string;
}

const RESTORE = "restore the file from a backup (muster restore); keep the damaged one for study";

const TRANSLATIONS: ReadonlyMap<number, Translation> = new Map([
  [
    SQLITE_FULL,
    {
      code: "no_space",
      wrong: "the disk is full; nothing was changed",
      hint: "free space on that disk; Muster goes on by itself",
    },
  ],
  [SQLITE_CORRUPT, { code: "corrupt", wrong: "the file is damaged", hint: RESTORE }],
  [SQLITE_NOTADB, { code: "corrupt", wrong: "the file is not a database", hint: RESTORE }],
  [
    SQLITE_IOERR,
    {
      code: "unavailable",
      wrong: "the disk reported an error; the effect is unknown",
      hint: "check the disk (dmesg, smartctl), then restart the process",
    },
  ],
  [
    SQLITE_BUSY,
    {
      code: "unavailable",
      wrong: "another program holds the file",
      hint: "close that program (an sqlite3 shell, a backup) and try again",
    },
  ],
  [
    SQLITE_READONLY,
    {
      code: "failed_precondition",
      wrong: "this user may not write the file",
      hint: "give the file and its folder to the user that runs Muster",
    },
  ],
  [
    SQLITE_CANTOPEN,
    {
      code: "failed_precondition",
      wrong: "the file cannot be opened",
      hint: "check that the folder exists and that this user may write in it",
    },
  ],
  [
    SQLITE_TOOBIG,
    { code: "too_large", wrong: "a value is too large to store", hint: "make the value smaller" },
  ],
]);

/** SQLite's primary result code; null when the error is not SQLite's. */
export function sqliteCode(error: unknown): number | null {
  if (!(error instanceof Error) || !("errcode" in error)) return null;
  return typeof error.errcode === "number" ? error.errcode & 0xff : null;
}

/**
 * The failure to throw for `error`; the error itself when it is none of the above.
 * `attempted` completes "cannot …": `open the store`.
 */
export function sqliteFailure(error: unknown, attempted: string, path: string): unknown {
  const translation = TRANSLATIONS.get(sqliteCode(error) ?? -1);
  if (translation === undefined) return error;
  return new MusterError({
    code: translation.code,
    message: `cannot ${attempted}: ${translation.wrong}`,
    cause: error,
    detail: { file: path, hint: translation.hint },
  });
}

/** True after errors that leave it unknown what reached the disk: the file must be reopened. */
export function isDiskError(error: unknown): boolean {
  return sqliteCode(error) === SQLITE_IOERR;
}

/** True when another connection holds a lock. */
export function isBusy(error: unknown): boolean {
  return sqliteCode(error) === SQLITE_BUSY;
}

/** A damaged file found by our own checks; `cause` is for the log. */
export function damagedFile(options: {
  attempted: string;
  path: string;
  wrong: string;
  cause?: unknown;
}): MusterError {
  return new MusterError({
    code: "corrupt",
    message: `cannot ${options.attempted}: ${options.wrong}`,
    cause: options.cause,
    detail: { file: options.path, hint: RESTORE },
  });
}

/** Someone else has it open. */
export function inUse(attempted: string, path: string): MusterError {
  return new MusterError({
    code: "failed_precondition",
    message:
      `cannot ${attempted}: the data folder ${dirname(path)} ` +
      `is in use by another muster process`,
    detail: { file: path, hint: "stop that process or choose another data folder" },
  });
}
