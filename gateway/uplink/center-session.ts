// SPDX-License-Identifier: Apache-2.0
/**
 * One HTTP/2 connection to the center, opened with its first request, opened again when it is gone,
 * with pings that find a peer which went without a word.
 *
 * The library's own Http2SessionManager is not used: when a GOAWAY comes while it leaves a
 * connection, it has taken its error listener away already and the process dies of an uncaught
 * exception (https://github.com/connectrpc/connect-es/issues/1768): every restart of a center could
 * have killed gateways. Here the listener stays as long as the connection.
 */
import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";
import type { OutgoingHttpHeaders, SecureClientSessionOptions } from "node:http2";
import type { CancelTimer, Clock } from "../../ports/clock.ts";

const PING_INTERVAL_MS = 5_000;
/** An unanswered ping is found at the second interval after it. */
const PING_TIMEOUT_MS = 10_000;
/** Under way in one direction: the default of 64 KiB is 640 KB/s over 100 ms. */
const WINDOW_BYTES: number = 4 * 2 ** 20;

export interface CenterSessionOptions {
  /** `https://host:port`. */
  readonly authority: string;
  readonly tls: SecureClientSessionOptions;
  readonly clock: Clock;
}

/** What a gRPC transport asks of a session manager. */
export class CenterSession {
  readonly authority: string;
  readonly #tls: SecureClientSessionOptions;
  readonly #clock: Clock;
  #session: ClientHttp2Session | null = null;
  #cancelPing: CancelTimer | null = null;
  #pingedAtMs: number | null = null;

  constructor(options: CenterSessionOptions) {
    this.authority = new URL(options.authority).origin;
    this.#tls = options.tls;
    this.#clock = options.clock;
  }

  request(
    method: string,
    path: string,
    headers: OutgoingHttpHeaders,
    options: object,
  ): Promise<ClientHttp2Stream> {
    const current = this.#session;
    const isUsable = current !== null && !current.closed && !current.destroyed;
    const session = isUsable ? current : this.#open();
    const all = { ...headers, ":method": method, ":path": path };
    return Promise.resolve(session.request(all, options));
  }

  notifyResponseByteRead(): void {}

  /** Ends the connection and every request on it. */
  close(): void {
    this.#stopPings();
    this.#session?.destroy(undefined, constants.NGHTTP2_CANCEL);
    this.#session = null;
  }

  #open(): ClientHttp2Session {
    this.#stopPings();
    const settings = { initialWindowSize: WINDOW_BYTES };
    const session = connect(this.authority, { ...this.#tls, settings });
    session.once("connect", () => session.setLocalWindowSize(WINDOW_BYTES));
    // Its requests fail with the same error, and say so to whoever made them.
    session.on("error", () => {});
    session.on("close", () => {
      if (this.#session === session) this.#stopPings();
    });
    this.#session = session;
    this.#armPing(session);
    return session;
  }

  #armPing(session: ClientHttp2Session): void {
    this.#cancelPing = this.#clock.setTimer(PING_INTERVAL_MS, () => {
      if (session.destroyed) return;
      this.#ping(session);
      this.#armPing(session);
    });
  }

  #ping(session: ClientHttp2Session): void {
    const nowMs = this.#clock.monotonicMs();
    if (this.#pingedAtMs !== null) {
      if (nowMs - this.#pingedAtMs < PING_TIMEOUT_MS) return;
      session.destroy(new Error("the center does not answer pings"));
      return;
    }
    // Before the handshake is done no ping can be sent: that wait is bounded by this one as well.
    this.#pingedAtMs = nowMs;
    if (session.connecting) return;
    session.ping((error) => {
      if (error === null) this.#pingedAtMs = null;
    });
  }

  #stopPings(): void {
    this.#cancelPing?.();
    this.#cancelPing = null;
    this.#pingedAtMs = null;
  }
}
