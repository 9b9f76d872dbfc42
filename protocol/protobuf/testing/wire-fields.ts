// SPDX-License-Identifier: Apache-2.0
/**
 * Whatever the wire format of Protobuf allows for a heartbeat, from a seed: known fields in any
 * order, missing, repeated, with varints longer than they need be, and unknown fields of every wire
 * type between them. Written here once more, so that it does not share a mistake with the writer.
 */
import type { Draw } from "../../mqtt/testing/mutations.ts";

const SLOT_FIELDS = [2, 3, 4, 5];
/** Above every field of a heartbeat and of a slot. */
const UNKNOWN_FIELDS = [6, 15, 16, 2_047, 2_048, 536_870_911];

export function heartbeatFields(draw: Draw): Buffer {
  return message(draw, () =>
    draw(3) === 0
      ? field(draw, 1, 0, anyVarint(draw))
      : field(draw, SLOT_FIELDS[draw(SLOT_FIELDS.length)] as number, 2, sized(draw, slot(draw))),
  );
}

function slot(draw: Draw): Buffer {
  return message(draw, () => {
    const number = 1 + draw(4);
    if (number > 2) return field(draw, number, 0, anyVarint(draw));
    const text = Buffer.from(["", "1.2.3", "größer", "v".repeat(draw(100))][draw(4)] as string);
    const digest = Buffer.alloc(draw(40), draw(256));
    return field(draw, number, 2, sized(draw, number === 1 ? digest : text));
  });
}

function message(draw: Draw, known: () => Buffer): Buffer {
  return Buffer.concat(
    Array.from({ length: draw(6) }, () => (draw(3) === 0 ? unknown(draw, 0) : known())),
  );
}

function unknown(draw: Draw, depth: number): Buffer {
  const number = UNKNOWN_FIELDS[draw(UNKNOWN_FIELDS.length)] as number;
  switch (draw(depth < 4 ? 5 : 4)) {
    case 0:
      return field(draw, number, 0, anyVarint(draw));
    case 1:
      return field(draw, number, 1, Buffer.alloc(8, draw(256)));
    case 2:
      return field(draw, number, 2, sized(draw, Buffer.alloc(draw(20), draw(256))));
    case 3:
      return field(draw, number, 5, Buffer.alloc(4, draw(256)));
    default: {
      const inside = Array.from({ length: draw(3) }, () => unknown(draw, depth + 1));
      return Buffer.concat([field(draw, number, 3, ...inside), field(draw, number, 4)]);
    }
  }
}

function field(draw: Draw, number: number, wireType: number, ...content: Buffer[]): Buffer {
  const tag = varint(BigInt(number) * 8n + BigInt(wireType));
  // A tag may be longer than it need be, up to five bytes; a library that is stricter is none.
  const extraBytes = draw(8) === 0 ? Math.min(1, 5 - tag.length) : 0;
  return Buffer.concat([stretched(tag, extraBytes), ...content]);
}

function sized(draw: Draw, content: Buffer): Buffer {
  const length = varint(BigInt(content.length));
  return Buffer.concat([stretched(length, draw(4) === 0 ? 1 : 0), content]);
}

function anyVarint(draw: Draw): Buffer {
  const word = (): bigint => BigInt(draw(0xffff_ffff));
  const value = [BigInt(draw(200)), word(), (word() << 32n) | word(), 2n ** 64n - 1n][draw(4)];
  const bytes = varint(value as bigint);
  return stretched(bytes, draw(4) === 0 ? draw(11 - bytes.length) : 0);
}

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  for (let left = value; ; left >>= 7n) {
    if (left < 0x80n) return Buffer.from([...bytes, Number(left)]);
    bytes.push(Number(left & 0x7fn) | 0x80);
  }
}

/** The same number in more bytes. */
function stretched(bytes: Buffer, extraBytes: number): Buffer {
  if (extraBytes === 0) return bytes;
  const longer = Buffer.concat([bytes, Buffer.alloc(extraBytes, 0x80)]);
  longer[bytes.length - 1] = (longer[bytes.length - 1] as number) | 0x80;
  longer[longer.length - 1] = 0;
  return longer;
}
