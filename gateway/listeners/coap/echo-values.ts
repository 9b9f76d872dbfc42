// SPDX-License-Identifier: Apache-2.0
/**
 * Values of the Echo option (RFC 9175 §2): whoever sends one back has received it, so he is where
 * his datagrams say they come from, and the request that carries it is new. Nothing is kept for a
 * challenge: the value says when it was made, and a MAC binds it to source, subject and time.
 *
 *     seconds (4 bytes) ‖ HMAC-SHA-256(secret, seconds ‖ source ‖ subject), cut to 8 bytes
 *
 * The secret is drawn at each start of the process, so no value outlives it.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Clock } from "../../../ports/clock.ts";
import type { Random } from "../../../ports/random.ts";
import { SOURCE_BYTES, writeSource, type Source } from "./source.ts";

export const ECHO_BYTES = 12;
/** How long a value may take to come back: a confirmable message is given up after 93 s. */
export const ECHO_LIFETIME_SECONDS = 100;

const SECRET_BYTES = 32;
const TIME_BYTES = 4;

export class EchoValues {
  readonly #clock: Clock;
  readonly #secret: Uint8Array;
  readonly #input = Buffer.alloc(TIME_BYTES + SOURCE_BYTES + 4);

  constructor(options: { clock: Clock; random: Random }) {
    this.#clock = options.clock;
    this.#secret = options.random.bytes(SECRET_BYTES);
  }

  /** `subject`: what else the value is for, 32 bits; it passes for no other. */
  make(source: Source, subject: number): Buffer {
    return this.#value(source, subject, this.#nowSeconds());
  }

  isFresh(value: Buffer, source: Source, subject: number): boolean {
    if (value.length !== ECHO_BYTES) return false;
    const madeSeconds = value.readUInt32BE(0);
    const ageSeconds = this.#nowSeconds() - madeSeconds;
    if (ageSeconds < 0 || ageSeconds > ECHO_LIFETIME_SECONDS) return false;
    return timingSafeEqual(value, this.#value(source, subject, madeSeconds));
  }

  #value(source: Source, subject: number, seconds: number): Buffer {
    this.#input.writeUInt32BE(seconds, 0);
    writeSource(this.#input, TIME_BYTES, source);
    this.#input.writeUInt32BE(subject >>> 0, TIME_BYTES + SOURCE_BYTES);
    const mac = createHmac("sha256", this.#secret).update(this.#input).digest();
    const value = Buffer.allocUnsafe(ECHO_BYTES);
    value.writeUInt32BE(seconds, 0);
    mac.copy(value, TIME_BYTES, 0, ECHO_BYTES - TIME_BYTES);
    return value;
  }

  #nowSeconds(): number {
    return Math.floor(this.#clock.monotonicMs() / 1_000);
  }
}
