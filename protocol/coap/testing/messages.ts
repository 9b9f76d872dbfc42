// SPDX-License-Identifier: Apache-2.0
/** Messages for tests of the codec: any, and a form that compares. */
import fc from "fast-check";
import type { CoapMessage } from "../message.ts";

export interface PlainMessage {
  readonly type: number;
  readonly code: number;
  readonly messageId: number;
  readonly token: string;
  readonly options: readonly [number: number, value: string][];
  readonly payload: string;
}

/** A message with hex for its bytes. */
export function plain(message: CoapMessage): PlainMessage {
  const { type, code, messageId, token, options, payload } = message;
  return {
    type,
    code,
    messageId,
    token: hex(token),
    options: options.map(({ number, value }) => [number, hex(value)]),
    payload: hex(payload),
  };
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** Any message with a code (an empty one is its own case). */
export function messageArbitrary(): fc.Arbitrary<CoapMessage> {
  const option = fc.record({
    number: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 0xffff })),
    value: fc.oneof(
      fc.uint8Array({ maxLength: 14 }),
      fc.uint8Array({ minLength: 260, maxLength: 280 }),
    ),
  });
  return fc.record({
    type: fc.constantFrom(0, 1, 2, 3),
    code: fc.integer({ min: 1, max: 255 }),
    messageId: fc.integer({ min: 0, max: 0xffff }),
    token: fc.uint8Array({ maxLength: 8 }),
    options: fc
      .array(option, { maxLength: 8 })
      .map((options) => options.toSorted((left, right) => left.number - right.number)),
    payload: fc.uint8Array({ maxLength: 40 }),
  });
}
