// SPDX-License-Identifier: Apache-2.0
/**
 * Heartbeats as JSON. A device says the same of its slots every interval and only counts on, and
 * the devices of a wave say the same as each other; so what was parsed and checked once is known by
 * its text. What comes out is what the plain codec says of the same bytes, whatever they are.
 *
 * Two halves of at most 512 texts, of at most 512 bytes each: half a megabyte. When the younger
 * half is full, the older one is forgotten, which who is heard again and again outlives: a device
 * that says something new each time costs the others a second reading and nothing more.
 */
import { isFault, type Codec } from "../codec.ts";
import { jsonCodec } from "../json-codec.ts";
import { deviceHeartbeatSchema, type DeviceHeartbeat, type SlotStatuses } from "./status.ts";

const HALF_TEXTS_MAX = 512;
const TEXT_BYTES_MAX = 512;

const HEAD = Buffer.from('{"sequence":');
/** Of a sequence that is safe as a number whatever its digits are. */
const DIGITS_MAX = 15;
const [ZERO, NINE, COMMA] = [0x30, 0x39, 0x2c];

export function heartbeatJson(): Codec<DeviceHeartbeat> {
  const plain = jsonCodec(deviceHeartbeatSchema);
  const known = new KnownTexts();
  return {
    encode: (heartbeat) => plain.encode(heartbeat),
    decode: (bytes) => {
      const textStart = sequenceEnd(bytes);
      if (textStart === -1 || bytes.length - textStart > TEXT_BYTES_MAX) return plain.decode(bytes);
      const text = asBuffer(bytes).toString("latin1", textStart);
      const slots = known.get(text);
      if (slots !== undefined) return { sequence: readDigits(bytes, textStart), slots };
      const heartbeat = plain.decode(bytes);
      if (!isFault(heartbeat) && !maySaySequence(text)) known.add(text, heartbeat.slots);
      return heartbeat;
    },
  };
}

class KnownTexts {
  #younger = new Map<string, SlotStatuses>();
  #older = new Map<string, SlotStatuses>();

  get(text: string): SlotStatuses | undefined {
    const slots = this.#younger.get(text);
    if (slots !== undefined) return slots;
    const old = this.#older.get(text);
    if (old !== undefined) this.add(text, old);
    return old;
  }

  add(text: string, slots: SlotStatuses): void {
    if (this.#younger.size === HALF_TEXTS_MAX) {
      this.#older = this.#younger;
      this.#younger = new Map();
    }
    this.#younger.set(text, slots);
  }
}

/** Where the text behind the first member ends its number; -1: it is not written as agents do. */
function sequenceEnd(bytes: Uint8Array): number {
  for (let at = 0; at < HEAD.length; at += 1) if (bytes[at] !== HEAD[at]) return -1;
  let at = HEAD.length;
  while (at < bytes.length && isDigit(bytes[at] as number)) at += 1;
  const digitCount = at - HEAD.length;
  if (digitCount === 0 || digitCount > DIGITS_MAX || bytes[at] !== COMMA) return -1;
  return bytes[HEAD.length] === ZERO && digitCount > 1 ? -1 : at; // JSON has no leading zeros.
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

function readDigits(bytes: Uint8Array, end: number): number {
  let value = 0;
  for (let at = HEAD.length; at < end; at += 1) value = value * 10 + (bytes[at] as number) - ZERO;
  return value;
}

/** A member that comes twice counts as it is written last; an escape may hide its name. */
function maySaySequence(text: string): boolean {
  return text.includes("\\") || text.includes('"sequence"');
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
