// SPDX-License-Identifier: Apache-2.0
/**
 * The transport of a connection over WebSocket: what answers one message leaves as one binary frame
 * ([MQTT-6.0.0-1]). Where frames begin and end says nothing about packets ([MQTT-6.0.0-2]): what
 * comes in goes to the connection as any chunk does.
 */
import type { Socket } from "node:net";
import { WebSocket } from "ws";
import type { StreamTransport } from "../stream-transport.ts";

/** RFC 6455 §7.4.1: normal closure. */
const NORMAL_CLOSURE = 1_000;

export class WebSocketTransport implements StreamTransport {
  readonly #webSocket: WebSocket;
  readonly #socket: Socket;
  /** Null while nothing is gathered: a write goes out by itself. */
  #gathered: Buffer[] | null = null;
  #gatheredBytes = 0;

  /** `socket`: the one below `webSocket`. */
  constructor(webSocket: WebSocket, socket: Socket) {
    this.#webSocket = webSocket;
    this.#socket = socket;
  }

  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress;
  }

  get remotePort(): number | undefined {
    return this.#socket.remotePort;
  }

  get writableLength(): number {
    return this.#webSocket.bufferedAmount + this.#gatheredBytes;
  }

  cork(): void {
    this.#gathered ??= [];
  }

  uncork(): void {
    const gathered = this.#gathered;
    this.#gathered = null;
    this.#gatheredBytes = 0;
    if (gathered === null || gathered.length === 0) return;
    const [first] = gathered as [Buffer];
    this.#send(gathered.length === 1 ? first : Buffer.concat(gathered));
  }

  write(bytes: Buffer): void {
    if (this.#gathered === null) return this.#send(bytes);
    this.#gathered.push(bytes);
    this.#gatheredBytes += bytes.length;
  }

  /** The close frame follows what was written; the peer's own ends it, or `setTimeout`. */
  destroySoon(): void {
    this.uncork();
    this.#webSocket.close(NORMAL_CLOSURE);
  }

  destroy(): void {
    this.#webSocket.terminate();
  }

  /** The socket's own, and no timer of ours. */
  ["setTimeout"](durationMs: number): void {
    this.#socket.setTimeout(durationMs);
  }

  #send(bytes: Buffer): void {
    if (this.#webSocket.readyState === WebSocket.OPEN) this.#webSocket.send(bytes);
  }
}
