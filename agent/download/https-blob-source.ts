// SPDX-License-Identifier: Apache-2.0
/**
 * GET with ranges over the mutually authenticated TLS streams that the link uses too. The stream is
 * opened and verified by the trust code; HTTP only rides on it, one request a stream: a handshake
 * is little beside an artifact, and no idle connection has to be watched.
 */
import { request } from "node:http";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { MusterError } from "../../domain/errors.ts";
import type { StreamDialer } from "../link/mqtt-dialer.ts";
import { gatewayName } from "../link/gateway-address.ts";
import type { GatewayAddress } from "../link/gateway-address.ts";
import type { BlobAnswer, BlobSource } from "./blob-source.ts";

/** Without a byte for this long the request counts as dead. */
const SILENCE_MS = 30_000;

export function httpsBlobSource(options: { openStream: StreamDialer }): BlobSource {
  return {
    get: async ({ gateway, path, fromByte, signal }) => {
      const stream = await options.openStream({
        host: gateway.host,
        port: gateway.artifactsPort,
        signal,
      });
      try {
        const response = await send({ stream: stream as Socket, gateway, path, fromByte, signal });
        return answerOf({ response, gateway, fromByte, signal });
      } catch (error) {
        stream.destroy();
        signal.throwIfAborted();
        throw unavailable(gateway, error);
      }
    },
  };
}

function send(options: {
  stream: Socket;
  gateway: GatewayAddress;
  path: string;
  fromByte: number;
  signal: AbortSignal;
}): Promise<IncomingMessage> {
  const { stream, gateway, path, fromByte, signal } = options;
  return new Promise((resolve, reject) => {
    const outgoing = request({
      host: gateway.host,
      port: gateway.artifactsPort,
      path,
      signal,
      // No agent keeps it: the stream lives as long as the answer.
      createConnection: () => stream,
      headers: {
        connection: "close",
        "accept-encoding": "identity",
        ...(fromByte > 0 ? { range: `bytes=${fromByte}-` } : {}),
      },
    });
    outgoing.setTimeout(SILENCE_MS, () => {
      outgoing.destroy(new Error(`no byte for ${SILENCE_MS / 1_000} s`));
    });
    outgoing.once("response", resolve);
    outgoing.once("error", reject);
    outgoing.end();
  });
}

function answerOf(options: {
  response: IncomingMessage;
  gateway: GatewayAddress;
  fromByte: number;
  signal: AbortSignal;
}): BlobAnswer {
  const { response, gateway, fromByte, signal } = options;
  const status = response.statusCode ?? 0;
  if (status === 200 || status === 206) {
    const begins = status === 200 ? 0 : firstByteOf(response.headers["content-range"]);
    // A server that sends another range than was asked for is not to be trusted with resuming.
    if (begins === 0 || begins === fromByte) {
      return { kind: "bytes", fromByte: begins, body: bodyOf(response, gateway, signal) };
    }
  }
  response.destroy();
  if (status === 404) return { kind: "not-found" };
  if (status === 416) return { kind: "bad-range" };
  if (status === 429 || status === 503) {
    return { kind: "busy", retryAfterMs: retryAfterMs(response.headers["retry-after"]) };
  }
  return { kind: "error", status };
}

async function* bodyOf(
  response: IncomingMessage,
  gateway: GatewayAddress,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  try {
    for await (const chunk of response) yield chunk as Uint8Array;
  } catch (error) {
    signal.throwIfAborted();
    throw unavailable(gateway, error);
  } finally {
    response.destroy();
  }
}

/** RFC 9110 §14.4: `bytes 100-199/200`; −1 when it is not that. */
function firstByteOf(contentRange: string | undefined): number {
  const match = /^bytes (\d+)-\d+\/(?:\d+|\*)$/.exec(contentRange ?? "");
  return match === null ? -1 : Number(match[1]);
}

/** RFC 9110 §10.2.3; the form with a date is not used here: the device's clock may be wrong. */
function retryAfterMs(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,6}$/.test(text) ? Number(text) * 1_000 : null;
}

function unavailable(gateway: GatewayAddress, cause: unknown): MusterError {
  if (cause instanceof MusterError) return cause;
  return new MusterError({
    code: "unavailable",
    message: `cannot read from the artifacts port of gateway ${gatewayName(gateway)}`,
    cause,
  });
}
