// SPDX-License-Identifier: Apache-2.0
/**
 * The streaming decoder of MQTT 3.1.1 and 5.0: bytes in as they come, packets out.
 *
 *     decoder.push(chunk);
 *     for (let packet = decoder.next(); packet !== null; packet = decoder.next()) { … }
 *
 * A packet that is whole in its chunk is parsed in place. Only an incomplete rest is copied, into a
 * buffer that grows with what has really arrived, never with what a header announces, and is let go
 * when its packet is whole. An idle decoder therefore holds no bytes.
 *
 * The decoder knows the order of a connection as far as the specification makes it a matter of the
 * received bytes: CONNECT first and once (CONNACK at a client), each packet in its direction only.
 *
 * States: opening → open (CONNECT, or an accepting CONNACK, was read) → failed (any broken rule).
 * Failed is final: after a malformed packet nobody knows where the next one starts, so `next` gives
 * the same failure for ever.
 */
import assert from "node:assert/strict";
import { decodeConnack, decodeConnect } from "./connect-decoder.ts";
import { decodeAuth, decodeDisconnect } from "./control-decoder.ts";
import { DEFAULT_DECODER_LIMITS, type DecoderLimits } from "./decoder-limits.ts";
import { NO_BYTES, PacketReader } from "./packet-reader.ts";
import { PACKET_NAMES, PacketType, type ProtocolLevel } from "./packet-type.ts";
import type { MalformedPacket, Packet, Pingreq, Pingresp } from "./packets.ts";
import { decodeAcknowledgement, decodePublish } from "./publish-decoder.ts";
import { ReasonCode } from "./reason-codes.ts";
import {
  decodeSuback,
  decodeSubscribe,
  decodeUnsuback,
  decodeUnsubscribe,
} from "./subscribe-decoder.ts";

/** Whoever has too much to do, and will not have messages of QoS 0 that it can do without. */
export interface Refuser {
  /** The topic lies in `bytes` from `start` to before `end`. */
  refuses(bytes: Buffer, start: number, end: number): boolean;
}

/** PUBLISH of QoS 0, neither a repeat nor retained. */
const PLAIN_PUBLISH = PacketType.Publish << 4;

export type PacketDecoderOptions = {
  /** Default `DEFAULT_DECODER_LIMITS`. Share one object between connections. */
  readonly limits?: DecoderLimits;
} & (
  | { readonly receiver: "server" }
  /** A client knows the level, for it asked for it. */
  | { readonly receiver: "client"; readonly protocolLevel: ProtocolLevel }
);

const PINGREQ_PACKET: Pingreq = Object.freeze({ type: PacketType.Pingreq });
const PINGRESP_PACKET: Pingresp = Object.freeze({ type: PacketType.Pingresp });

/** Smallest buffer for an incomplete packet: most packets fit, so it need not grow. */
const TAIL_BYTES_MIN = 128;

/** Bit n: packets of type n. */
function typeBits(...types: readonly PacketType[]): number {
  return types.reduce((bits, type) => bits | (1 << type), 0);
}
const { Publish, Puback, Pubrec, Pubrel, Pubcomp } = PacketType;
const EITHER_WAY = typeBits(Publish, Puback, Pubrec, Pubrel, Pubcomp);
const TO_SERVER =
  EITHER_WAY |
  typeBits(PacketType.Subscribe, PacketType.Unsubscribe, PacketType.Pingreq, PacketType.Disconnect);
const TO_CLIENT =
  EITHER_WAY | typeBits(PacketType.Suback, PacketType.Unsuback, PacketType.Pingresp);
const AUTH = typeBits(PacketType.Auth);
const DISCONNECT = typeBits(PacketType.Disconnect);

/** Row: packet type. The flags of its fixed header; -1 for PUBLISH, whose flags have meanings. */
const FIXED_FLAGS: Int8Array = Int8Array.of(0, 0, 0, -1, 0, 0, 2, 0, 2, 0, 2, 0, 0, 0, 0, 0);

export class PacketDecoder {
  /** Bytes of the largest packet accepted once the connection is open; may be changed any time. */
  maxPacketBytes: number;
  readonly #reader: PacketReader;
  /** Bit n: a packet of type n may come now. */
  #acceptedTypes: number;
  #isOpen = false;
  /** What was pushed last, and where its unread part starts. */
  #chunk: Buffer = NO_BYTES;
  #offset = 0;
  /** The start of a packet whose rest has not arrived. */
  #tail: Buffer | null = null;
  #tailBytes = 0;
  /** How many bytes the packet at hand has, as far as its header is known. */
  #neededBytes = 0;
  /** The remaining length was written with more bytes than it needs. */
  #lengthIsPadded = false;

  constructor(options: PacketDecoderOptions) {
    const limits = options.limits ?? DEFAULT_DECODER_LIMITS;
    const { receiver } = options;
    const protocolLevel = receiver === "client" ? options.protocolLevel : 0;
    this.maxPacketBytes = limits.maxPacketBytes;
    this.#reader = new PacketReader({ limits, receiver, protocolLevel });
    if (receiver === "server") this.#acceptedTypes = typeBits(PacketType.Connect);
    else this.#acceptedTypes = typeBits(PacketType.Connack) | (protocolLevel === 5 ? AUTH : 0);
  }

  /** 0 at a server until CONNECT was read. */
  get protocolLevel(): ProtocolLevel | 0 {
    return this.#reader.protocolLevel;
  }

  /** Bytes that wait for the rest of their packet; at most `maxPacketBytes`. */
  get pendingBytes(): number {
    return this.#tailBytes;
  }

  /**
   * Takes the next bytes of the stream. `next` must have returned null since the last push. The
   * chunk must not change until `next` returns null again; payloads of the packets are views of it
   * and stay good for as long as its owner leaves it alone (Node's sockets do, unless `onread`).
   */
  push(chunk: Uint8Array): void {
    assert(this.#offset === this.#chunk.length, "push before next returned null");
    this.#chunk = Buffer.isBuffer(chunk)
      ? chunk
      : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    this.#offset = 0;
  }

  /**
   * The next whole packet; null when more bytes are needed; the failure once a rule is broken.
   * `refuser`: what it refuses is passed over, its fields unread.
   */
  next(refuser: Refuser | null = null): Packet | MalformedPacket | null {
    const reader = this.#reader;
    if (reader.failure !== null) return this.#failed(reader.failure);
    if (this.#tail !== null) return this.#nextFromTail(this.#tail);
    for (;;) {
      const start = this.#offset;
      if (!this.#frame(this.#chunk, start, this.#chunk.length)) {
        if (reader.failure !== null) return this.#failed(reader.failure);
        this.#keepTail(start);
        return null;
      }
      this.#offset = reader.end;
      const firstByte = this.#chunk[start] as number;
      const isRefused = firstByte === PLAIN_PUBLISH && refuser !== null && this.#isRefused(refuser);
      if (!isRefused) return this.#parse(firstByte);
    }
  }

  /** The framed PUBLISH is one that its receiver does without. */
  #isRefused(refuser: Refuser): boolean {
    const { buffer, position, end } = this.#reader;
    if (end - position < 2) return false;
    const topicEnd =
      position + 2 + ((buffer[position] as number) << 8) + (buffer[position + 1] as number);
    return topicEnd <= end && refuser.refuses(buffer, position + 2, topicEnd);
  }

  /** Completes the packet that earlier chunks began, taking no more than it needs. */
  #nextFromTail(tail: Buffer): Packet | MalformedPacket | null {
    const reader = this.#reader;
    for (;;) {
      if (this.#frame(tail, 0, this.#tailBytes)) {
        this.#tail = null;
        this.#tailBytes = 0;
        return this.#parse(tail[0] as number);
      }
      if (reader.failure !== null) return this.#failed(reader.failure);
      if (this.#offset === this.#chunk.length) {
        this.#releaseChunk();
        return null;
      }
      tail = this.#appendToTail(tail);
    }
  }

  #appendToTail(tail: Buffer): Buffer {
    const missing = this.#neededBytes - this.#tailBytes;
    const stop = Math.min(this.#offset + missing, this.#chunk.length);
    const filled = this.#tailBytes + stop - this.#offset;
    if (filled > tail.length) {
      // Doubling keeps the copying linear, also for a peer that sends byte by byte.
      const capacity = Math.max(filled, Math.min(this.#neededBytes, tail.length * 2));
      const larger = Buffer.allocUnsafeSlow(capacity);
      larger.set(tail.subarray(0, this.#tailBytes));
      tail = larger;
      this.#tail = larger;
    }
    tail.set(this.#chunk.subarray(this.#offset, stop), this.#tailBytes);
    this.#tailBytes = filled;
    this.#offset = stop;
    return tail;
  }

  /** Not from the shared pool: a slow peer's few bytes would keep a whole slab of it. */
  #keepTail(start: number): void {
    const byteCount = this.#chunk.length - start;
    if (byteCount > 0) {
      this.#tail = Buffer.allocUnsafeSlow(Math.max(byteCount, TAIL_BYTES_MIN));
      this.#tail.set(this.#chunk.subarray(start));
      this.#tailBytes = byteCount;
    }
    this.#releaseChunk();
  }

  #releaseChunk(): void {
    this.#chunk = NO_BYTES;
    this.#offset = 0;
    this.#reader.buffer = NO_BYTES;
  }

  #failed(failure: MalformedPacket): MalformedPacket {
    this.#releaseChunk();
    this.#tail = null;
    this.#tailBytes = 0;
    return failure;
  }

  /**
   * Reads the fixed header (§2.1) at `start`. True when the whole packet lies before `stop`; the
   * reader then stands at its body. A header that cannot be right fails before its body arrives.
   */
  #frame(buffer: Buffer, start: number, stop: number): boolean {
    if (start === stop) return false;
    this.#checkFirstByte(buffer[start] as number);
    if (this.#reader.failure !== null) return false;
    let length = 0;
    let position = start + 1;
    for (let shift = 0; ; shift += 7) {
      if (shift === 28) {
        const message = "the remaining length has more than four bytes";
        this.#reader.fail(ReasonCode.MalformedPacket, "MQTT 5.0 §2.1.4", message);
        return false;
      }
      this.#neededBytes = position - start + 1;
      if (position === stop) return false;
      const byte = buffer[position++] as number;
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.#lengthIsPadded = byte === 0 && shift > 0;
        break;
      }
    }
    this.#neededBytes = position - start + length;
    if (this.#neededBytes > this.#byteLimit()) {
      // The receiver's Maximum Packet Size (§3.1.2.11.4, §3.2.2.3.6), or ours.
      const message = `a packet of ${this.#neededBytes} bytes is over ${this.#byteLimit()} bytes`;
      this.#reader.fail(ReasonCode.PacketTooLarge, this.#byteLimitClause(), message);
      return false;
    }
    if (stop - start < this.#neededBytes) return false;
    this.#reader.buffer = buffer;
    this.#reader.position = position;
    this.#reader.end = start + this.#neededBytes;
    return true;
  }

  #byteLimit(): number {
    const { maxConnectBytes } = this.#reader.limits;
    return this.#isOpen ? this.maxPacketBytes : Math.min(maxConnectBytes, this.maxPacketBytes);
  }

  #byteLimitClause(): string {
    return this.#isOpen ? "limit maxPacketBytes" : "limit maxConnectBytes";
  }

  /** The packet type must be acceptable now, and its flags right. */
  #checkFirstByte(firstByte: number): void {
    const type = firstByte >> 4;
    const fixedFlags = FIXED_FLAGS[type] as number;
    const { MalformedPacket, ProtocolError } = ReasonCode;
    if (type === 0 || (type === PacketType.Auth && this.protocolLevel === 4)) {
      this.#reader.fail(MalformedPacket, "MQTT 5.0 §2.1.2", "a packet has a forbidden type");
    } else if (fixedFlags >= 0 && (firstByte & 15) !== fixedFlags) {
      // v3.1.1: 2.2.2-1 and 2.2.2-2; in 5.0 also 3.6.1-1, 3.8.1-1, 3.10.1-1, 3.14.1-1, 3.15.1-1.
      const message = `the reserved flags of ${PACKET_NAMES[type]} must be ${fixedFlags}`;
      this.#reader.fail(MalformedPacket, "MQTT-2.1.3-1", message);
    } else if (((this.#acceptedTypes >> type) & 1) === 0) {
      const message = `the ${this.#reader.receiver} must not get ${PACKET_NAMES[type]} now`;
      this.#reader.fail(ProtocolError, this.#orderClause(type), message);
    }
  }

  #orderClause(type: number): string {
    if (this.#reader.receiver === "server") {
      if (!this.#isOpen) return "MQTT-3.1.0-1";
      return type === PacketType.Connect ? "MQTT-3.1.0-2" : "MQTT 5.0 §2.1.2";
    }
    if (!this.#isOpen) return "MQTT-3.2.0-1";
    return type === PacketType.Connack ? "MQTT-3.2.0-2" : "MQTT 5.0 §2.1.2";
  }

  /** Decodes the framed packet and checks that nothing of it is left over. */
  #parse(firstByte: number): Packet | MalformedPacket {
    const reader = this.#reader;
    const packet = this.#decode((firstByte >> 4) as PacketType, firstByte & 15);
    if (reader.failure === null && reader.position !== reader.end) {
      const message = `${PACKET_NAMES[firstByte >> 4]} is longer than its fields`;
      reader.fail(ReasonCode.MalformedPacket, "MQTT 5.0 §2.1.4", message);
    }
    // MQTT 3.1.1 lets a sender pad the remaining length, and small devices do.
    if (this.#lengthIsPadded && reader.protocolLevel === 5) {
      const message = "the remaining length has useless bytes";
      reader.fail(ReasonCode.MalformedPacket, "MQTT-1.5.5-1", message);
    }
    if (reader.failure !== null) return this.#failed(reader.failure);
    if (!this.#isOpen) this.#openAfter(packet);
    return packet;
  }

  /** CONNECT opens at the server, an accepting CONNACK at the client; AUTH may come in between. */
  #openAfter(packet: Packet): void {
    const isLevel5 = this.protocolLevel === 5;
    if (packet.type === PacketType.Connect) {
      this.#isOpen = true;
      this.#acceptedTypes = TO_SERVER | (isLevel5 ? AUTH : 0);
    } else if (packet.type === PacketType.Connack) {
      // After a refusal the server has nothing more to say [MQTT-3.2.2-7].
      this.#isOpen = true;
      const isAccepted = packet.reasonCode === ReasonCode.Success;
      this.#acceptedTypes = isAccepted ? TO_CLIENT | (isLevel5 ? AUTH | DISCONNECT : 0) : 0;
    }
  }

  #decode(type: PacketType, flags: number): Packet {
    const reader = this.#reader;
    switch (type) {
      case PacketType.Publish:
        return decodePublish(reader, flags);
      case PacketType.Puback:
      case PacketType.Pubrec:
      case PacketType.Pubrel:
      case PacketType.Pubcomp:
        return decodeAcknowledgement(reader, type);
      case PacketType.Pingreq:
        return PINGREQ_PACKET;
      case PacketType.Pingresp:
        return PINGRESP_PACKET;
      case PacketType.Connect:
        return decodeConnect(reader);
      case PacketType.Connack:
        return decodeConnack(reader);
      case PacketType.Subscribe:
        return decodeSubscribe(reader);
      case PacketType.Suback:
        return decodeSuback(reader);
      case PacketType.Unsubscribe:
        return decodeUnsubscribe(reader);
      case PacketType.Unsuback:
        return decodeUnsuback(reader);
      case PacketType.Disconnect:
        return decodeDisconnect(reader);
      case PacketType.Auth:
        return decodeAuth(reader);
    }
  }
}
