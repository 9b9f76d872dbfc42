// SPDX-License-Identifier: Apache-2.0
/** Errors of the file system as Muster's failures, each with what a person can do about it. */
import { MusterError } from "../domain/errors.ts";
import type { ErrorCode } from "../domain/errors.ts";

interface Translation {
  readonly code: ErrorCode;
  readonly wrong: string;
  readonly hint: string;
}

const NO_SPACE: Translation = {
  code: "no_space",
  wrong: "the disk is full; nothing was changed",
  hint: "free space on that disk; Muster goes on by itself",
};

const NOT_ALLOWED: Translation = {
  code: "failed_precondition",
  wrong: "this user may not write there",
  hint: "give the folder to the user that runs Muster",
};

const WRONG_PLACE: Translation = {
  code: "failed_precondition",
  wrong: "a part of the path is not a folder",
  hint: "check the path",
};

const TOO_MANY_FILES: Translation = {
  code: "unavailable",
  wrong: "this process has too many files open",
  hint: "raise its limit (ulimit -n, LimitNOFILE=)",
};

const DISK_ERROR: Translation = {
  code: "unavailable",
  wrong: "the disk reported an error",
  hint: "check the disk (dmesg, smartctl)",
};

const TRANSLATIONS: ReadonlyMap<string, Translation> = new Map([
  ["ENOSPC", NO_SPACE],
  ["EDQUOT", NO_SPACE],
  ["EACCES", NOT_ALLOWED],
  ["EPERM", NOT_ALLOWED],
  ["EROFS", NOT_ALLOWED],
  ["ENOTDIR", WRONG_PLACE],
  ["EEXIST", WRONG_PLACE],
  ["EMFILE", TOO_MANY_FILES],
  ["ENFILE", TOO_MANY_FILES],
  ["EIO", DISK_ERROR],
]);

/** The error number's name (`ENOSPC`); null when it is no system error. */
export function errorNumber(error: unknown): string | null {
  if (!(error instanceof Error) || !("code" in error)) return null;
  return typeof error.code === "string" ? error.code : null;
}

/**
 * The failure to throw for `error`; the error itself when it is none that the table knows.
 * `attempted` completes "cannot …": `store an artifact`.
 */
export function fileFailure(error: unknown, attempted: string, path: string): unknown {
  const translation = TRANSLATIONS.get(errorNumber(error) ?? "");
  if (translation === undefined) return error;
  return new MusterError({
    code: translation.code,
    message: `cannot ${attempted}: ${translation.wrong}`,
    cause: error,
    detail: { file: path, hint: translation.hint },
  });
}
