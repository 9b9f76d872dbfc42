// SPDX-License-Identifier: Apache-2.0
/**
 * The closed set of failures Muster reports, each with who must act, and its form at every edge:
 * HTTP status, Connect code, exit status. `docs/reference/errors.md` lists the same table and a
 * test keeps the two equal. Bugs are not here: those are assertions and end the process.
 */

/** Who must act before the same request can succeed. */
export type Responder = "caller" | "operator" | "nobody";

/** One row of the table. `exit` is the exit status of the command line: 1 failed, 2 bad usage. */
export interface ErrorCodeFacts {
  readonly http: number;
  readonly connect: string;
  readonly exit: 1 | 2;
  readonly responder: Responder;
  readonly meaning: string;
}

/** Keyed by code. Codes are stable: a client may switch on them. */
export const ERROR_CODES = {
  invalid_argument: {
    http: 400,
    connect: "invalid_argument",
    exit: 2,
    responder: "caller",
    meaning: "The input is wrong; the message names the field or position.",
  },
  unauthenticated: {
    http: 401,
    connect: "unauthenticated",
    exit: 1,
    responder: "caller",
    meaning: "No valid token or certificate was given.",
  },
  permission_denied: {
    http: 403,
    connect: "permission_denied",
    exit: 1,
    responder: "caller",
    meaning: "The identity is known but may not do this.",
  },
  not_found: {
    http: 404,
    connect: "not_found",
    exit: 1,
    responder: "caller",
    meaning: "The named thing does not exist.",
  },
  already_exists: {
    http: 409,
    connect: "already_exists",
    exit: 1,
    responder: "caller",
    meaning: "A thing of that name exists with other content.",
  },
  conflict: {
    http: 409,
    connect: "aborted",
    exit: 1,
    responder: "caller",
    meaning: "The thing changed since it was read; read again and repeat.",
  },
  failed_precondition: {
    http: 412,
    connect: "failed_precondition",
    exit: 1,
    responder: "caller",
    meaning: "The thing is in a state in which this cannot be done.",
  },
  too_large: {
    http: 413,
    connect: "resource_exhausted",
    exit: 1,
    responder: "caller",
    meaning: "A message, file or list is over its stated limit.",
  },
  resource_exhausted: {
    http: 429,
    connect: "resource_exhausted",
    exit: 1,
    responder: "caller",
    meaning: "A rate or quota is used up; try again later.",
  },
  untrusted: {
    http: 422,
    connect: "failed_precondition",
    exit: 1,
    responder: "operator",
    meaning: "A signature, digest, certificate or chain did not verify.",
  },
  corrupt: {
    http: 500,
    connect: "data_loss",
    exit: 1,
    responder: "operator",
    meaning: "Stored data does not read back as it was written.",
  },
  no_space: {
    http: 507,
    connect: "resource_exhausted",
    exit: 1,
    responder: "operator",
    meaning: "The disk is full; nothing was changed.",
  },
  unavailable: {
    http: 503,
    connect: "unavailable",
    exit: 1,
    responder: "nobody",
    meaning: "The peer cannot be reached or is starting; retry with back-off.",
  },
  deadline_exceeded: {
    http: 504,
    connect: "deadline_exceeded",
    exit: 1,
    responder: "nobody",
    meaning: "The answer did not come in time; the effect is unknown.",
  },
  cancelled: {
    http: 499,
    connect: "canceled",
    exit: 1,
    responder: "caller",
    meaning: "The caller gave up first.",
  },
  internal: {
    http: 500,
    connect: "internal",
    exit: 1,
    responder: "operator",
    meaning: "A fault of Muster or of something it depends on; see the log.",
  },
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** The facts of a code, as one shape. */
export function errorCodeFacts(code: ErrorCode): ErrorCodeFacts {
  return ERROR_CODES[code];
}

/** Facts that locate a failure for a person: which file, line, field, and what to do next. */
export interface ErrorDetail {
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  readonly field?: string;
  readonly hint?: string;
}

/** A failure that somebody outside can act on. `message`: what was attempted and what is wrong. */
export class MusterError extends Error {
  readonly code: ErrorCode;
  readonly detail: ErrorDetail;

  constructor(options: {
    code: ErrorCode;
    message: string;
    cause?: unknown;
    detail?: ErrorDetail;
  }) {
    super(options.message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = "MusterError";
    this.code = options.code;
    this.detail = options.detail ?? {};
  }
}

/** True for errors of this module, also of another copy of it: the code decides, not the class. */
export function isMusterError(value: unknown): value is MusterError {
  return (
    value instanceof Error &&
    value.name === "MusterError" &&
    "code" in value &&
    typeof value.code === "string" &&
    value.code in ERROR_CODES
  );
}

/** Any thrown value as a MusterError; a foreign one becomes `internal`, its text stays inside. */
export function toMusterError(value: unknown, attempted: string): MusterError {
  if (isMusterError(value)) return value;
  return new MusterError({
    code: "internal",
    message: `${attempted} failed inside Muster; the log of this process has the cause`,
    cause: value,
  });
}

/** One line for a person: message, place, hint. */
export function describeError(error: MusterError): string {
  const { file, line, column, field, hint } = error.detail;
  let place = file ?? "";
  // Without a file a line is one of a text that the message itself speaks about.
  if (file !== undefined && line !== undefined) place += `:${line}`;
  if (file !== undefined && column !== undefined) place += `:${column}`;
  if (field !== undefined) place += place === "" ? field : ` (${field})`;
  // Messages of the center begin with the path of their field, for clients that show nothing else.
  const isNamed = field?.includes(".") === true && error.message.startsWith(`${field} `);
  const message = isNamed ? error.message.slice(field.length + 1) : error.message;
  const head = place === "" ? message : `${place}: ${message}`;
  return hint === undefined ? head : `${head}\n  → ${hint}`;
}
