// SPDX-License-Identifier: Apache-2.0
/**
 * The one place where a command's failure becomes text on standard error and an exit status: a
 * sentence, where it applies, and what to do. Never a stack trace, unless MUSTER_DEBUG=1 asks for
 * the whole chain of causes.
 */
import { inspect } from "node:util";
import {
  describeError,
  errorCodeFacts,
  isMusterError,
  MusterError,
  type ErrorCode,
} from "../domain/errors.ts";
import type { Shell } from "./shell.ts";

/** More than one failure of equal rank, as of several documents: all are printed. */
export class SeveralErrors extends Error {
  readonly errors: readonly MusterError[];

  constructor(errors: readonly MusterError[]) {
    super("several errors");
    this.name = "SeveralErrors";
    this.errors = errors;
  }
}

/** Throws them: one as itself, several as SeveralErrors; does nothing for none. */
export function throwAll(errors: readonly MusterError[]): void {
  const [first] = errors;
  if (first === undefined) return;
  throw errors.length === 1 ? first : new SeveralErrors(errors);
}

/** Prints a failure; returns the exit status. */
export function printError(shell: Pick<Shell, "stderr" | "environment">, error: unknown): 1 | 2 {
  const failures = error instanceof SeveralErrors ? error.errors : [asMusterError(error)];
  for (const failure of failures) shell.stderr.write(`muster: ${describeError(failure)}\n`);
  if (shell.environment["MUSTER_DEBUG"] === "1") {
    shell.stderr.write(`${inspect(error, { depth: 8 })}\n`);
  }
  return errorCodeFacts(failures[0]?.code ?? "internal").exit;
}

function asMusterError(error: unknown): MusterError {
  if (isMusterError(error)) return error;
  return fromSystem(error) ?? bug(error);
}

/** Failures of the machine that any step may meet. */
function fromSystem(error: unknown): MusterError | null {
  if (!(error instanceof Error) || !("code" in error)) return null;
  const sentences: { readonly [code: string]: readonly [ErrorCode, string] } = {
    ENOSPC: ["no_space", "the disk is full"],
    EMFILE: ["resource_exhausted", "this process may open no more files (raise `ulimit -n`)"],
    ENFILE: ["resource_exhausted", "this machine may open no more files"],
  };
  const found = sentences[String(error.code)];
  if (found === undefined) return null;
  return new MusterError({ code: found[0], message: found[1], cause: error });
}

function bug(cause: unknown): MusterError {
  return new MusterError({
    code: "internal",
    message: "the command failed by a fault of Muster's own",
    detail: { hint: "run it again with MUSTER_DEBUG=1 to see the cause, and report that" },
    cause,
  });
}
