// SPDX-License-Identifier: Apache-2.0
/**
 * GET with ranges over the mutually authenticated TLS streams that the link uses too. The stream is
 * opened and verified by the trust code; HTTP only rides on it. An artifact has a stream of its
 * own: a handshake is little beside it, and no idle connection has to be watched. Chunks follow one
 * another on one stream, which ends when the gateway closes it.
 */
import { Agent, request } from "node:http";
import type { AgentOptions, ClientRequest, ClientRequestArgs, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { MusterError } from "../../domain/errors.ts";
import { ROLLOUT_HEADER } from "../../protocol/device/artifact-request.ts";
import type { StreamDialer } from "../link/mqtt-dialer.ts";
import { gatewayName } from "../link/gateway-address.ts";
import type { GatewayAddress } from "../link/gateway-address.ts";
import type { BlobAnswer, BlobSource } from "./blob-source.ts";

const PROTOCOL = "http/1.1";
/** Without a byte for this long the request counts as dead. */
const SILENCE_MS = 30_000;

export function httpsBlobSource(options: { openStream: StreamDialer }): BlobSource {
  const agent = new StreamAgent(options.openStream, { keepAlive: true, maxFreeSockets: 1 });
  return {
    get: async ({ gateway, path, fromByte, rollout, reusesConnection = false, signal }) => {
      const asked = { gateway, path, fromByte, rollout, signal };
      if (reusesConnection) return answerOf({ ...asked, response: await viaAgent(agent, asked) });
      const stream = await options.openStream({
        host: gateway.host,
        port: gateway.artifactsPort,
        protocol: PROTOCOL,
        signal,
      });
      try {
        const response = await send({ ...asked, createConnection: () => stream as Socket });
        return answerOf({ ...asked, response });
      } catch (error) {
        stream.destroy();
        signal.throwIfAborted();
        throw unavailable(gateway, error);
      }
    },
  };
}

/** Keeps a stream open between requests. */
class StreamAgent extends Agent {
  readonly #openStream: StreamDialer;

  constructor(openStream: StreamDialer, options: AgentOptions) {
    super(options);
    this.#openStream = openStream;
  }

  override createConnection(options: ConnectionArgs, callback: OnConnection): undefined {
    void this.#connect(options, callback);
  }

  async #connect(options: ConnectionArgs, callback: OnConnection): Promise<void> {
    const { host, port, signal = new AbortController().signal } = options;
    let stream: Duplex;
    try {
      const place = { host: host ?? "", port: Number(port) };
      stream = await this.#openStream({ ...place, protocol: PROTOCOL, signal });
    } catch (error) {
      return callback(error as Error);
    }
    callback(null, stream);
  }
}

type ConnectionArgs = ClientRequestArgs & { readonly signal?: AbortSignal };
type OnConnection = (error: Error | null, stream?: Duplex) => void;

interface Asked {
  readonly gateway: GatewayAddress;
  readonly path: string;
  readonly fromByte: number;
  readonly rollout: number | undefined;
  readonly signal: AbortSignal;
}

/** The gateway may close the stream at the moment it is used again: then a new one is opened. */
async function viaAgent(agent: StreamAgent, asked: Asked): Promise<IncomingMessage> {
  for (;;) {
    let sent: ClientRequest | undefined;
    try {
      return await send({ ...asked, agent, onRequest: (outgoing) => (sent = outgoing) });
    } catch (error) {
      asked.signal.throwIfAborted();
      if (sent?.reusedSocket !== true) throw unavailable(asked.gateway, error);
    }
  }
}

function send(
  options: Asked & {
    agent?: Agent;
    createConnection?: () => Socket;
    onRequest?: (outgoing: ClientRequest) => void;
  },
): Promise<IncomingMessage> {
  const { gateway, path, fromByte, rollout, signal, agent, createConnection, onRequest } = options;
  return new Promise((resolve, reject) => {
    const outgoing = request({
      host: gateway.host,
      port: gateway.artifactsPort,
      path,
      signal,
      ...(agent === undefined ? {} : { agent }),
      // No agent keeps it: the stream lives as long as the answer.
      ...(createConnection === undefined ? {} : { createConnection }),
      headers: {
        ...(agent === undefined ? { connection: "close" } : {}),
        "accept-encoding": "identity",
        ...(rollout === undefined ? {} : { [ROLLOUT_HEADER]: String(rollout) }),
        ...(fromByte > 0 ? { range: `bytes=${fromByte}-` } : {}),
      },
    });
    onRequest?.(outgoing);
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
