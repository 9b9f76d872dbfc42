// SPDX-License-Identifier: Apache-2.0
/**
 * What went wrong in a call, as a MusterError. The center attaches an ErrorInfo with the exact
 * code, field, hint and position; without one (a proxy, a center that cannot be reached) the code
 * of the protocol and the cause decide.
 */
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { ERROR_CODES, isMusterError, MusterError, type ErrorCode } from "../domain/errors.ts";
import { ErrorInfoSchema } from "../protocol/gen/muster/v1/deploy_pb.ts";
import type { ErrorInfo } from "../protocol/gen/muster/v1/deploy_pb.ts";

/** A transport whose failures, also those in mid-stream, are MusterErrors. */
export function translatingTransport(transport: Transport, server: string): Transport {
  return {
    unary: async (...call) => {
      try {
        return await transport.unary(...call);
      } catch (error) {
        throw fromCallError(error, server);
      }
    },
    stream: async (...call) => {
      try {
        const response = await transport.stream(...call);
        return { ...response, message: translated(response.message, server) };
      } catch (error) {
        throw fromCallError(error, server);
      }
    },
  };
}

/** Any failure of a call to `server`. */
export function fromCallError(error: unknown, server: string): MusterError {
  if (isMusterError(error)) return error;
  const failure = ConnectError.from(error);
  const [info] = failure.findDetails(ErrorInfoSchema);
  if (info !== undefined && info.code in ERROR_CODES) return fromErrorInfo(failure, info);
  return fromConnectCode(failure, server);
}

async function* translated<Message>(
  messages: AsyncIterable<Message>,
  server: string,
): AsyncGenerator<Message> {
  try {
    yield* messages;
  } catch (error) {
    throw fromCallError(error, server);
  }
}

function fromErrorInfo(failure: ConnectError, info: ErrorInfo): MusterError {
  return new MusterError({
    code: info.code as ErrorCode,
    message: failure.rawMessage,
    detail: {
      ...(info.field === "" ? {} : { field: info.field }),
      ...(info.hint === "" ? {} : { hint: info.hint }),
      ...(info.line === 0 ? {} : { line: info.line }),
      ...(info.column === 0 ? {} : { column: info.column }),
    },
  });
}

function fromConnectCode(failure: ConnectError, server: string): MusterError {
  const cause = transportCause(failure);
  if (failure.code === Code.Canceled) {
    return new MusterError({ code: "cancelled", message: "the command was interrupted" });
  }
  if (cause !== null) return fromTransport(server, cause, failure);
  const code = codeOf(failure.code);
  const message = failure.isWireError
    ? `the center at ${server} refused: ${failure.rawMessage}`
    : `the call to the center at ${server} failed: ${failure.rawMessage}`;
  return new MusterError({ code, message, cause: failure });
}

function codeOf(code: Code): ErrorCode {
  const name = Code[code]?.replaceAll(/(?<!^)[A-Z]/g, "_$&").toLowerCase();
  const found = Object.entries(ERROR_CODES).find(([, facts]) => facts.connect === name);
  return (found?.[0] as ErrorCode | undefined) ?? "internal";
}

/** Errno of the socket, or code of a TLS failure, wherever it sits in the chain of causes. */
function transportCause(failure: ConnectError): string | null {
  let cause: unknown = failure.cause;
  for (let depth = 0; depth < 5 && cause instanceof Error; depth += 1) {
    if ("code" in cause && typeof cause.code === "string" && /^[A-Z0-9_]+$/.test(cause.code)) {
      return cause.code;
    }
    cause = cause.cause;
  }
  return null;
}

function fromTransport(server: string, cause: string, failure: ConnectError): MusterError {
  const unreachable = (sentence: string, hint: string): MusterError =>
    new MusterError({
      code: "unavailable",
      message: `cannot reach the center at ${server}: ${sentence}`,
      detail: { hint },
      cause: failure,
    });
  switch (cause) {
    case "ECONNREFUSED":
      return unreachable(
        "nothing answers there",
        "start it with `muster center`, or name another with --server",
      );
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return unreachable("that name has no address", "check the name, or use its IP address");
    case "ECONNRESET":
    case "EPIPE":
      return unreachable("the connection broke", "run `muster doctor`, then try again");
    case "ETIMEDOUT":
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return unreachable("no route leads there", "check the network, then try again");
    case "EPROTO":
    case "ERR_SSL_WRONG_VERSION_NUMBER":
      return unreachable("it does not speak TLS there", "check the port, or use http: on loopback");
    default:
      if (isTlsCode(cause)) return untrustedServer(server, cause, failure);
      if (cause.startsWith("HPE_")) {
        return unreachable(
          "what answers there does not speak HTTP",
          "check the port, or use https:",
        );
      }
      return unreachable(cause, "run `muster doctor`");
  }
}

function isTlsCode(code: string): boolean {
  return /CERT|SSL|TLS|SELF_SIGNED|UNABLE_TO|ISSUER|SIGNATURE/.test(code);
}

function untrustedServer(server: string, cause: string, failure: ConnectError): MusterError {
  return new MusterError({
    code: "untrusted",
    message: `the certificate of the center at ${server} did not verify (${cause})`,
    detail: {
      hint: "log in again with --ca-file: ca/ca.pem in the center's data folder",
    },
    cause: failure,
  });
}
