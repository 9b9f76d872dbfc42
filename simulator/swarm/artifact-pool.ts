// SPDX-License-Identifier: Apache-2.0
/**
 * Downloads of a whole swarm: HTTPS over mutually authenticated TLS, a bounded number at once, on
 * connections that are kept. Connections to a gateway show the certificate of the device that
 * needed it first and then serve all: the bytes are real, the handshakes are fewer than a real
 * fleet makes.
 */
import { createHash } from "node:crypto";
import { Agent, request } from "node:http";
import type { IncomingMessage } from "node:http";
import { isMusterError, MusterError } from "../../domain/errors.ts";
import { delay } from "../../ports/clock.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import type { GatewayAddress } from "../../agent/link/gateway-address.ts";
import { connectTls } from "../../agent/trust/peer.ts";
import type { WorkingTime } from "../../agent/trust/working-time.ts";
import type { SwarmIdentity } from "./identity-book.ts";
import { Limiter } from "./limiter.ts";
import type { SwarmGateways } from "./swarm-gateways.ts";

/** Enough for a gateway's disk and network, few enough for its 2,000 artifact connections. */
export const CONCURRENT_DOWNLOADS = 32;
const CONNECT_TIMEOUT_MS = 15_000;
/** Without a byte for so long a request is dead. */
const SILENCE_MS = 30_000;
const TRIES_MAX = 8;
/** A gateway that fetches from the center answers 503; with its 5 s this waits for minutes. */
const BUSY_ANSWERS_MAX = 60;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

export interface ArtifactPoolOptions {
  readonly gateways: SwarmGateways;
  readonly caPem: string;
  readonly workingTime: WorkingTime;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  readonly onBytes: (byteCount: number) => void;
}

export interface FetchRequest {
  /** Whose certificate opens a connection where one is needed, and whose gateway is asked. */
  readonly identity: SwarmIdentity;
  /** How often that device has moved on from its first gateway. */
  readonly moveCount: number;
  /** Begins with a slash. */
  readonly path: string;
  readonly maxBytes: number;
  /** What the bytes must be; null where the caller verifies them itself. */
  readonly expected: { readonly sha256: string; readonly lengthBytes: number } | null;
  /** False: they are only measured. */
  readonly isKept: boolean;
}

interface Busy {
  readonly retryAfterMs: number;
}

export class ArtifactPool {
  readonly #options: ArtifactPoolOptions;
  readonly #limiter = new Limiter({ placeCount: CONCURRENT_DOWNLOADS });
  /** By host and port; as many as there are gateways. */
  readonly #agents = new Map<string, Agent>();

  constructor(options: ArtifactPoolOptions) {
    this.#options = options;
  }

  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
  }

  /**
   * The bytes; empty when they are not kept, null when the gateway has no such thing. Tries again,
   * at the next gateway. Throws `untrusted` (other bytes), `unavailable`, the signal's reason.
   */
  fetch(wanted: FetchRequest): Promise<Buffer | null> {
    return this.#limiter.run(() => this.#tryOften(wanted), this.#options.signal);
  }

  async #tryOften(wanted: FetchRequest): Promise<Buffer | null> {
    const { gateways, clock, random, signal } = this.#options;
    let pauseMs = FIRST_PAUSE_MS;
    let busyCount = 0;
    let moveCount = wanted.moveCount;
    for (let tryCount = 1; ;) {
      let waitMs = 0;
      try {
        const gateway = gateways.pick(wanted.identity.id, moveCount);
        if (gateway === null) throw unavailable("no gateway is known");
        const answer = await this.#get(gateway, wanted);
        if (answer === null || Buffer.isBuffer(answer)) return answer;
        waitMs = answer.retryAfterMs;
        busyCount += 1;
        if (busyCount > BUSY_ANSWERS_MAX) throw unavailable("the gateway stays busy");
      } catch (error) {
        signal.throwIfAborted();
        if (!isMusterError(error) || tryCount === TRIES_MAX) throw error;
        tryCount += 1;
        moveCount += 1;
      }
      await delay(clock, waitMs + random.next() * pauseMs, signal);
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    }
  }

  async #get(gateway: GatewayAddress, wanted: FetchRequest): Promise<Buffer | Busy | null> {
    try {
      const response = await this.#send(gateway, wanted);
      const status = response.statusCode ?? 0;
      if (status === 200) return await this.#read(response, wanted);
      response.resume(); // So that the connection can be kept.
      if (status === 404) return null;
      if (status !== 429 && status !== 503) throw unavailable(`the gateway answered ${status}`);
      const text = response.headers["retry-after"] ?? "1";
      return { retryAfterMs: /^\d{1,3}$/.test(text) ? Number(text) * 1_000 : 1_000 };
    } catch (error) {
      throw isMusterError(error) ? error : unavailable("the download broke off", error);
    }
  }

  #send(gateway: GatewayAddress, wanted: FetchRequest): Promise<IncomingMessage> {
    const { signal } = this.#options;
    const { host, artifactsPort: port } = gateway;
    const agent = this.#agentOf(gateway, wanted.identity);
    return new Promise((resolve, reject) => {
      const outgoing = request({ agent, host, port, path: wanted.path, signal });
      outgoing.setTimeout(SILENCE_MS, () => {
        outgoing.destroy(unavailable(`no byte for ${SILENCE_MS / 1_000} s`));
      });
      outgoing.once("response", resolve);
      outgoing.once("error", reject);
      outgoing.end();
    });
  }

  #agentOf(gateway: GatewayAddress, identity: SwarmIdentity): Agent {
    const { signal, caPem, workingTime } = this.#options;
    const { host, artifactsPort: port } = gateway;
    const { certPem, keyPem } = identity;
    const key = `${host} ${port}`;
    const known = this.#agents.get(key);
    if (known !== undefined) return known;
    const agent = new Agent({ keepAlive: true, maxSockets: CONCURRENT_DOWNLOADS });
    const peer = { host, port, certPem, keyPem, caPem, what: "the gateway", signal };
    agent.createConnection = (_options, ready) => {
      connectTls({
        ...peer,
        expect: "gateway",
        alpn: ["http/1.1"],
        workingTimeMs: workingTime.nowMs(),
        timeoutMs: CONNECT_TIMEOUT_MS,
      }).then(
        (socket) => ready?.(null, socket),
        (error: Error) => ready?.(error, undefined as never),
      );
      return undefined;
    };
    this.#agents.set(key, agent);
    return agent;
  }

  async #read(response: IncomingMessage, wanted: FetchRequest): Promise<Buffer> {
    const hash = createHash("sha256");
    const chunks: Buffer[] = [];
    let lengthBytes = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      lengthBytes += chunk.length;
      this.#options.onBytes(chunk.length);
      if (lengthBytes > wanted.maxBytes) throw untrusted(wanted, "is longer than it may be");
      hash.update(chunk);
      if (wanted.isKept) chunks.push(chunk);
    }
    const { expected } = wanted;
    if (expected === null) return Buffer.concat(chunks);
    if (lengthBytes < expected.lengthBytes) throw unavailable("the download ended early");
    if (hash.digest("hex") !== expected.sha256) throw untrusted(wanted, "has another digest");
    return Buffer.concat(chunks);
  }
}

function untrusted(wanted: FetchRequest, problem: string): MusterError {
  return new MusterError({ code: "untrusted", message: `what came for ${wanted.path} ${problem}` });
}

function unavailable(message: string, cause?: unknown): MusterError {
  return new MusterError({ code: "unavailable", message, cause });
}
