// SPDX-License-Identifier: Apache-2.0
/**
 * A device's connection to a gateway: what one end writes, the other has after the wire's delay, in
 * order. It is what TLS leaves of a TCP connection: bytes, an end, and silence.
 *
 *     open → (an end closes, or the wire is cut) → cut or closed → both ends know → closed
 *
 * While it is cut nothing passes and nobody knows; the ends find out by their own timers, or when
 * the wire is mended, which resets it. When a process dies the other end is told; when a machine
 * does, it is not.
 *
 * A PUBLISH may arrive twice (`isTwice`), as after a connection that broke between it and its
 * acknowledgement, but at once.
 */
import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import type { StreamTransport } from "../../gateway/listeners/stream-transport.ts";
import type { Life } from "./life.ts";
import { OneWay } from "./one-way.ts";

/** The gateway's side: whoever reads what the device writes. */
export interface WireReader {
  receive(chunk: Uint8Array): void;
  ended(): void;
}

/** Null = the sender has closed it. */
type Sent = Buffer | null;

const PUBLISH_TYPE = 3;

export class DeviceWire {
  readonly device: Duplex;
  readonly gateway: StreamTransport;
  private readonly lives: { readonly device: Life; readonly gateway: Life };
  private reader: WireReader | null = null;
  private isCut = false;
  private isGatewayGone = false;

  constructor(options: {
    device: Life;
    gateway: Life;
    delayMs: () => number;
    isTwice: () => boolean;
  }) {
    const { device, gateway, delayMs, isTwice } = options;
    this.lives = { device, gateway };
    const common = { delayMs, isCut: (): boolean => this.isCut };
    const up = new OneWay<Sent>({
      ...common,
      from: device,
      to: gateway,
      deliver: (bytes) => (bytes === null ? this.endGateway() : this.reader?.receive(bytes)),
    });
    const down = new OneWay<Sent>({
      ...common,
      from: gateway,
      to: device,
      deliver: (bytes) => this.arriveAtDevice(bytes),
    });
    const send = (way: OneWay<Sent>, bytes: Uint8Array): void => {
      const copy = Buffer.from(bytes);
      way.send(copy);
      if (isPublish(copy) && isTwice()) way.send(copy);
    };
    this.device = new Duplex({
      autoDestroy: true,
      read: () => {},
      write: (chunk: Buffer, _encoding, done) => {
        send(up, chunk);
        done();
      },
      destroy: (error, done) => {
        up.send(null);
        done(error);
      },
    });
    // A reset is no event of its own: `close` follows.
    this.device.on("error", () => {});
    const close = (): void => {
      down.send(null);
      gateway.setTimer(0, () => this.endGateway());
    };
    this.gateway = {
      write: (bytes) => send(down, bytes),
      writableLength: 0,
      cork: () => {},
      uncork: () => {},
      setTimeout: () => {},
      destroySoon: close,
      destroy: close,
    };
  }

  open(reader: WireReader): void {
    this.reader = reader;
  }

  cut(): void {
    this.isCut = true;
  }

  /** After a cut, or a death: neither end has what the other sent meanwhile; both begin again. */
  reset(): void {
    this.lives.gateway.setTimer(0, () => this.endGateway());
    this.lives.device.setTimer(0, () => this.device.destroy());
  }

  private arriveAtDevice(bytes: Sent): void {
    if (this.device.destroyed) return;
    if (bytes === null) this.device.destroy();
    else this.device.push(bytes);
  }

  private endGateway(): void {
    if (this.isGatewayGone) return;
    this.isGatewayGone = true;
    this.reader?.ended();
  }
}

/** One whole MQTT packet of that type, short enough for two bytes of length. */
function isPublish(bytes: Buffer): boolean {
  if (bytes.length < 3 || (bytes[0] ?? 0) >> 4 !== PUBLISH_TYPE) return false;
  const [, low = 0, high = 0] = bytes;
  const length = low < 128 ? low + 2 : (low & 127) + high * 128 + 3;
  return high < 128 && length === bytes.length;
}
