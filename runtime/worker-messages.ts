// SPDX-License-Identifier: Apache-2.0
/**
 * What passes between `worker-call.ts` and `worker-serve.ts`, and how an error survives the
 * crossing: a MusterError keeps code, message and detail, its cause becomes its text. Anything else
 * thrown in the thread is a bug and ends the thread.
 */
import { inspect } from "node:util";
import { MusterError } from "../domain/errors.ts";
import type { ErrorCode, ErrorDetail } from "../domain/errors.ts";

export interface CallMessage {
  readonly type: "call";
  readonly id: number;
  readonly method: string;
  readonly input: unknown;
}

export interface CloseMessage {
  readonly type: "close";
}

export type ThreadInput = CallMessage | CloseMessage;

export type ThreadOutput =
  | { readonly type: "opened"; readonly facts: unknown }
  | { readonly type: "refused"; readonly error: EncodedError }
  | { readonly type: "done"; readonly id: number; readonly output: unknown }
  | { readonly type: "failed"; readonly id: number; readonly error: EncodedError }
  | { readonly type: "closed"; readonly error: EncodedError | null };

export interface EncodedError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly detail: ErrorDetail;
  readonly cause: string | null;
}

export function encodeError(error: MusterError): EncodedError {
  const { cause } = error;
  return {
    code: error.code,
    message: error.message,
    detail: error.detail,
    cause: cause === undefined ? null : cause instanceof Error ? cause.message : inspect(cause),
  };
}

export function decodeError(encoded: EncodedError): MusterError {
  const { code, message, detail, cause } = encoded;
  return new MusterError({
    code,
    message,
    detail,
    ...(cause === null ? {} : { cause: new Error(cause) }),
  });
}
