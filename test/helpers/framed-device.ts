// SPDX-License-Identifier: Apache-2.0
/**
 * A device on framed TCP, written from docs/reference/framed-tcp.md alone: TLS, four bytes of
 * length, and what buf generates from `framed.proto` for any language. It answers what it is told
 * to answer, pings when it has nothing else to say, and says goodbye.
 */
import type { Socket } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { create, fromBinary, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import {
  DeviceFrameSchema,
  GatewayFrameSchema,
  type Acknowledgement,
  type GatewayFrame,
  type Goodbye,
} from "../../protocol/gen/muster/v1/framed_pb.ts";
import { systemClock } from "../../runtime/system-clock.ts";

export type FramedUpChannel = "hello" | "heartbeat" | "report" | "log";
type Kind = NonNullable<MessageInitShape<typeof DeviceFrameSchema>["kind"]>;

export interface FramedDeviceOptions {
  readonly port: number;
  /** PEM. */
  readonly identity: { readonly key: string; readonly cert: string; readonly ca: string };
  /** A connection that stands already. Default: a new one to the port. */
  readonly through?: Socket;
  /** Whether it says that it has what comes down. Default true. */
  readonly answers?: boolean;
  /** Whether it pings. Default true. */
  readonly pings?: boolean;
}

export class FramedDevice {
  /** What came down, oldest first. */
  readonly heard: { channel: string; id: number; text: string }[] = [];
  /** What the gateway said of this session; 0: nothing yet. */
  keepAliveMs = 0;
  pongCount = 0;
  /** The gateway's last word; null: it has not said any. */
  goodbye: Goodbye | null = null;
  /** Resolves when the connection has ended, however. */
  readonly closed: Promise<void>;
  readonly socket: TLSSocket;
  readonly #options: FramedDeviceOptions;
  #received: Buffer = Buffer.alloc(0);
  #lastId = 0;
  readonly #waiting = new Map<number, (answer: Acknowledgement | null) => void>();
  #cancelPing = (): void => {};

  private constructor(options: FramedDeviceOptions, socket: TLSSocket) {
    this.#options = options;
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("error", () => {}); // `close` follows.
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        this.#cancelPing();
        for (const resolveOne of this.#waiting.values()) resolveOne(null);
        this.#waiting.clear();
        resolve();
      });
    });
  }

  /** Resolves when TLS stands; rejects where it does not come to that. */
  static connect(options: FramedDeviceOptions): Promise<FramedDevice> {
    const { key, cert, ca } = options.identity;
    return new Promise((resolve, reject) => {
      const tls = { host: "127.0.0.1", port: options.port, key, cert, ca };
      const through = options.through === undefined ? {} : { socket: options.through };
      const socket = connect({ ...tls, ...through }, () =>
        resolve(new FramedDevice(options, socket)),
      );
      socket.once("error", reject);
    });
  }

  /** The gateway's answer; null when the connection ended before it. Objects are sent as JSON. */
  say(channel: FramedUpChannel, message: object | string): Promise<Acknowledgement | null> {
    this.#lastId = (this.#lastId % 0xffff) + 1;
    const id = this.#lastId;
    const answer = new Promise<Acknowledgement | null>((resolve) => this.#waiting.set(id, resolve));
    this.#sayAs(id, channel, message);
    return answer;
  }

  /** As `say`, for what needs no answer. */
  mention(channel: FramedUpChannel, message: object | string): void {
    this.#sayAs(0, channel, message);
  }

  hello(): Promise<Acknowledgement | null> {
    const slots = { app: { digest: "", version: "", generation: 0, health: "unknown" } };
    const about = { protocol: 1, agent: "framed-device/1", codec: "json", inventory: {}, slots };
    return this.say("hello", about);
  }

  /** Says goodbye; resolves when the gateway has said it, too, and closed. */
  async leave(): Promise<void> {
    this.send({ case: "goodbye", value: { detail: "until later" } });
    await this.closed;
  }

  send(kind: Kind): void {
    const body = toBinary(DeviceFrameSchema, create(DeviceFrameSchema, { kind }));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(body.length);
    this.socket.write(Buffer.concat([length, body]));
  }

  #sayAs(id: number, channel: FramedUpChannel, message: object | string): void {
    const text = typeof message === "string" ? message : JSON.stringify(message);
    this.send({ case: channel, value: { id, payload: Buffer.from(text) } });
  }

  #receive(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    while (this.#received.length >= 4) {
      const end = 4 + this.#received.readUInt32BE(0);
      if (this.#received.length < end) return;
      const body = this.#received.subarray(4, end);
      this.#received = this.#received.subarray(end);
      this.#hear(fromBinary(GatewayFrameSchema, body));
    }
  }

  #hear({ kind }: GatewayFrame): void {
    switch (kind.case) {
      case "terms":
        this.keepAliveMs = kind.value.keepAliveMs;
        return this.#pingLater();
      case "acknowledgement":
        this.#waiting.get(kind.value.id)?.(kind.value);
        return void this.#waiting.delete(kind.value.id);
      case "ping":
        return this.send({ case: "pong", value: { number: kind.value.number } });
      case "pong":
        this.pongCount += 1;
        return;
      case "goodbye":
        this.goodbye = kind.value;
        return;
      case "offer":
      case "config":
      case "command": {
        const { id, payload } = kind.value;
        this.heard.push({ channel: kind.case, id, text: Buffer.from(payload).toString() });
        if (this.#options.answers !== false) this.acknowledge(id);
        return;
      }
      default: // Of a later protocol.
    }
  }

  acknowledge(id: number): void {
    this.send({ case: "acknowledgement", value: { id } });
  }

  #pingLater(): void {
    if (this.#options.pings === false) return;
    this.#cancelPing = systemClock.setTimer(this.keepAliveMs / 2, () => {
      this.send({ case: "ping", value: { number: this.pongCount } });
      this.#pingLater();
    });
  }
}
