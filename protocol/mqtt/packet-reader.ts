// SPDX-License-Identifier: Apache-2.0
/**
 * Reads the fields of one packet in place, and remembers the first rule that the bytes break.
 *
 * After a failure every read gives an empty value and moves to the end of the packet, so a decoder
 * reads field after field without asking each time; whoever drives it looks at `failure` once, at
 * the end. Nothing is thrown: hostile bytes are an expected outcome here, and cost no stack trace.
 *
 * One reader lives as long as its connection, so that parsing allocates only the packet itself.
 */
import { isUtf8 } from "node:buffer";
import type { DecoderLimits } from "./decoder-limits.ts";
import { MALFORMED, type ProtocolLevel } from "./packet-type.ts";
import type { MalformedPacket } from "./packets.ts";
import { ReasonCode } from "./reason-codes.ts";
import { topicNameFault, type TopicFault } from "./topics.ts";

export const NO_BYTES: Buffer = Buffer.alloc(0);

export class PacketReader {
  readonly limits: DecoderLimits;
  /** Who reads: some packets and properties go in one direction only. */
  readonly receiver: "server" | "client";
  /** 0 at a server until CONNECT said which. */
  protocolLevel: ProtocolLevel | 0;
  buffer: Buffer = NO_BYTES;
  /** Next byte to read. */
  position = 0;
  /** First byte after the packet. */
  end = 0;
  /** The first rule that was broken; stays. */
  failure: MalformedPacket | null = null;

  constructor(options: {
    limits: DecoderLimits;
    receiver: "server" | "client";
    protocolLevel: ProtocolLevel | 0;
  }) {
    this.limits = options.limits;
    this.receiver = options.receiver;
    this.protocolLevel = options.protocolLevel;
  }

  /** Records the first failure and ends the packet. */
  fail(reasonCode: ReasonCode, clause: string, message: string): void {
    this.failure ??= { type: MALFORMED, reasonCode, message, clause };
    this.position = this.end;
  }

  /** Bytes of the packet that are not read yet. */
  remaining(): number {
    return this.end - this.position;
  }

  uint8(): number {
    if (this.end - this.position < 1) return this.#short();
    return this.buffer[this.position++] as number;
  }

  uint16(): number {
    const at = this.position;
    if (this.end - at < 2) return this.#short();
    this.position = at + 2;
    return ((this.buffer[at] as number) << 8) | (this.buffer[at + 1] as number);
  }

  uint32(): number {
    if (this.end - this.position < 4) return this.#short();
    const value = this.buffer.readUInt32BE(this.position);
    this.position += 4;
    return value;
  }

  /** A variable byte integer (§1.5.5): at most four bytes, and no more than it needs. */
  variableInteger(): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.uint8();
      if (this.failure !== null) return 0;
      value |= (byte & 0x7f) << shift;
      if (byte >= 0x80) continue;
      if (byte === 0 && shift > 0) {
        this.fail(ReasonCode.MalformedPacket, "MQTT-1.5.5-1", "an integer has useless bytes");
      }
      return value;
    }
    this.fail(ReasonCode.MalformedPacket, "MQTT 5.0 §1.5.5", "an integer has more than four bytes");
    return 0;
  }

  /**
   * A UTF-8 string with its two bytes of length. Well-formed means: no surrogate, nothing overlong
   * [MQTT-1.5.4-1], no U+0000 [MQTT-1.5.4-2]; a byte order mark stays [MQTT-1.5.4-3] (v3.1.1:
   * 1.5.3-1 to -3). Control characters, which the specification only advises against, are let
   * through.
   */
  string(): string {
    const length = this.uint16();
    const start = this.position;
    if (length > this.end - start) {
      this.#short();
      return "";
    }
    const stop = start + length;
    const buffer = this.buffer;
    let highBits = 0;
    for (let at = start; at < stop; at++) {
      const byte = buffer[at] as number;
      if (byte === 0) {
        this.fail(ReasonCode.MalformedPacket, "MQTT-1.5.4-2", "a string contains U+0000");
        return "";
      }
      highBits |= byte;
    }
    this.position = stop;
    // Topics, ids and names are ASCII: no second validation, no decoder.
    if (highBits < 0x80) return buffer.toString("latin1", start, stop);
    if (!isUtf8(buffer.subarray(start, stop))) {
      this.fail(ReasonCode.MalformedPacket, "MQTT-1.5.4-1", "a string is not well-formed UTF-8");
      return "";
    }
    return buffer.toString("utf8", start, stop);
  }

  /** Binary data with its two bytes of length (§1.5.6); a view. */
  binary(): Buffer {
    const length = this.uint16();
    if (length > this.end - this.position) {
      this.#short();
      return NO_BYTES;
    }
    const start = this.position;
    this.position = start + length;
    return this.buffer.subarray(start, this.position);
  }

  /** Everything that is left; a view. */
  rest(): Buffer {
    const start = this.position;
    this.position = this.end;
    return this.buffer.subarray(start, this.end);
  }

  /** A packet identifier is never 0 [MQTT-2.2.1-3], [MQTT-2.2.1-4] (v3.1.1: 2.3.1-1). */
  packetId(): number {
    const packetId = this.uint16();
    if (packetId === 0) {
      this.fail(ReasonCode.ProtocolError, "MQTT-2.2.1-3", "a packet identifier must not be 0");
    }
    return packetId;
  }

  /** A topic to publish to: of PUBLISH, of a will, of an answer. */
  topicName(): string {
    const topic = this.string();
    if (this.failure !== null) return "";
    this.reportTopicFault(
      topicNameFault(topic, this.limits.maxTopicLevels),
      ReasonCode.TopicNameInvalid,
    );
    return topic;
  }

  reportTopicFault(fault: TopicFault | null, reasonCode: ReasonCode): void {
    if (fault !== null) this.fail(reasonCode, fault.clause, fault.message);
  }

  #short(): number {
    this.fail(ReasonCode.MalformedPacket, "MQTT 5.0 §4.13.1", "a field ends after its packet does");
    return 0;
  }
}
