// SPDX-License-Identifier: Apache-2.0
/** The other end of a client session under test: it records what comes and says what it is told. */
import { once } from "node:events";
import { type Duplex, duplexPair } from "node:stream";
import type { CancelTimer } from "../../../ports/clock.ts";
import { PacketDecoder } from "../decoder.ts";
import { encodePacket, encodePublish } from "../encoder.ts";
import { MALFORMED, PacketType, type ProtocolLevel } from "../packet-type.ts";
import type { ConnackFields, MalformedPacket, Packet, PublishFields } from "../packets.ts";
import { ReasonCode } from "../reason-codes.ts";

export class ScriptedServer {
  /** What the client is given. */
  readonly clientSide: Duplex;
  readonly side: Duplex;
  readonly #level: ProtocolLevel;
  readonly #decoder: PacketDecoder;
  readonly #received: (Packet | MalformedPacket)[] = [];

  constructor(level: ProtocolLevel) {
    [this.clientSide, this.side] = duplexPair();
    this.#level = level;
    this.#decoder = new PacketDecoder({ receiver: "server" });
    this.side.on("data", (chunk: Buffer) => {
      this.#decoder.push(chunk);
      for (let packet = this.#decoder.next(); packet !== null; packet = this.#decoder.next()) {
        this.#received.push(packet);
        this.side.emit("packet");
        if (packet.type === MALFORMED) return;
      }
    });
  }

  /** How many packets have come and were not taken. */
  get waitingCount(): number {
    return this.#received.length;
  }

  /** The next packet, which must be of `type`. */
  async take<Type extends Packet["type"]>(type: Type): Promise<Extract<Packet, { type: Type }>> {
    while (this.#received.length === 0) await once(this.side, "packet");
    const packet = this.#received.shift();
    if (packet?.type !== type) throw new Error(`expected ${type}, got ${JSON.stringify(packet)}`);
    return packet as Extract<Packet, { type: Type }>;
  }

  say(packet: Packet): void {
    this.side.write(encodePacket(this.#level, packet));
  }

  async accept(fields: Partial<ConnackFields> = {}): Promise<void> {
    await this.take(PacketType.Connect);
    this.say({
      type: PacketType.Connack,
      sessionPresent: false,
      reasonCode: ReasonCode.Success,
      ...fields,
    });
  }

  publish(fields: Partial<PublishFields>): void {
    const message = { topic: "t", qos: 0, retain: false, dup: false, packetId: 0 } as const;
    this.side.write(
      encodePublish(this.#level, { ...message, payload: Buffer.from("x"), ...fields }),
    );
  }

  acknowledge(packetId: number, reasonCode: ReasonCode = ReasonCode.Success): void {
    this.say({ type: PacketType.Puback, packetId, reasonCode });
  }
}

/** A clock whose timers run when the test says so. */
export class ManualClock {
  readonly #timers: { readonly delayMs: number; readonly callback: () => void }[] = [];

  setTimer(delayMs: number, callback: () => void): CancelTimer {
    const timer = { delayMs, callback };
    this.#timers.push(timer);
    return () => {
      const at = this.#timers.indexOf(timer);
      if (at >= 0) this.#timers.splice(at, 1);
    };
  }

  /** Of the timers that are set. */
  get delaysMs(): readonly number[] {
    return this.#timers.map(({ delayMs }) => delayMs);
  }

  /** Runs the timer that is due first. */
  fire(): void {
    const [next] = this.#timers.toSorted((a, b) => a.delayMs - b.delayMs);
    if (next === undefined) throw new Error("no timer is set");
    this.#timers.splice(this.#timers.indexOf(next), 1);
    next.callback();
  }
}
