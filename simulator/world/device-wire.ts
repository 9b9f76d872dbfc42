// SPDX-License-Identifier: Apache-2.0
/**
 * A device's connection to a gateway: what one end writes, the other has after the wire's delay, in
 * order. It is what TLS leaves of a TCP connection: bytes, an end, and silence.
 *
 *     open → (an end closes, or the wire is cut) → cut or closed → both ends know → closed
 *
 * While it is cut nothing passes and nobody knows; the ends find out by their own timers, or when
 * the wire is mended, which resets it.
 */
import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import type { MqttTransport } from "../../gateway/listeners/mqtt/transport.ts";
import type { Clock } from "../../ports/clock.ts";

/** The gateway's side: whoever reads what the device writes. */
export interface WireReader {
  receive(chunk: Uint8Array): void;
  ended(): void;
}

export class DeviceWire {
  readonly device: Duplex;
  readonly gateway: MqttTransport;
  private readonly clock: Clock;
  private readonly delayMs: number;
  private reader: WireReader | null = null;
  private isCut = false;
  private isGatewayGone = false;

  constructor(options: { clock: Clock; delayMs: number }) {
    this.clock = options.clock;
    this.delayMs = options.delayMs;
    this.device = new Duplex({
      autoDestroy: true,
      read: () => {},
      write: (chunk: Buffer, _encoding, done) => {
        const bytes = Buffer.from(chunk);
        this.later(() => this.reader?.receive(bytes));
        done();
      },
      destroy: (error, done) => {
        this.later(() => this.endGateway());
        done(error);
      },
    });
    // A reset is no event of its own: `close` follows.
    this.device.on("error", () => {});
    this.gateway = {
      write: (bytes) => {
        const copy = Buffer.from(bytes);
        this.later(() => {
          if (!this.device.destroyed) this.device.push(copy);
        });
      },
      writableLength: 0,
      cork: () => {},
      uncork: () => {},
      setTimeout: () => {},
      destroySoon: () => this.closeFromGateway(),
      destroy: () => this.closeFromGateway(),
    };
  }

  open(reader: WireReader): void {
    this.reader = reader;
  }

  cut(): void {
    this.isCut = true;
  }

  /** After a cut: neither end has what the other sent meanwhile, so both begin again. */
  reset(): void {
    this.endGateway();
    this.device.destroy();
  }

  private closeFromGateway(): void {
    this.later(() => this.device.destroy());
    this.clock.setTimer(0, () => this.endGateway());
  }

  private endGateway(): void {
    if (this.isGatewayGone) return;
    this.isGatewayGone = true;
    this.reader?.ended();
  }

  private later(action: () => void): void {
    this.clock.setTimer(this.delayMs, () => {
      if (!this.isCut) action();
    });
  }
}
