// SPDX-License-Identifier: Apache-2.0
/**
 * Where a datagram came from: as Node says it, and as 18 bytes (address, port) that compare and lie
 * in a column. An IPv4 address has the form that IPv6 gives it (`::ffff:192.0.2.1`).
 */

export interface Source {
  /** As Node's dgram says it, and takes it back. */
  readonly address: string;
  readonly port: number;
}

export const SOURCE_BYTES = 18;

const IPV4_AT = 12;
const PORT_AT = 16;

/** Writes the source at `at`; false when the address has no such form (a zone, `fe80::1%eth0`). */
export function writeSource(bytes: Buffer, at: number, { address, port }: Source): boolean {
  bytes.fill(0, at, at + PORT_AT);
  bytes[at + PORT_AT] = port >> 8;
  bytes[at + PORT_AT + 1] = port & 0xff;
  if (!address.includes(":")) {
    bytes.fill(0xff, at + IPV4_AT - 2, at + IPV4_AT);
    return writeIpv4(bytes, at + IPV4_AT, address, 0);
  }
  return writeIpv6(bytes, at, address);
}

/** What `writeSource` wrote, in a form that Node takes: IPv4 where it is one. */
export function readSource(bytes: Buffer, at: number): Source {
  const port = bytes.readUInt16BE(at + PORT_AT);
  if (isIpv4(bytes, at)) {
    return { address: bytes.subarray(at + IPV4_AT, at + PORT_AT).join("."), port };
  }
  const groups: string[] = [];
  for (let group = 0; group < 8; group += 1) {
    groups.push(bytes.readUInt16BE(at + group * 2).toString(16));
  }
  return { address: groups.join(":"), port };
}

function isIpv4(bytes: Buffer, at: number): boolean {
  for (let index = 0; index < IPV4_AT - 2; index += 1) if (bytes[at + index] !== 0) return false;
  return bytes[at + IPV4_AT - 2] === 0xff && bytes[at + IPV4_AT - 1] === 0xff;
}

function writeIpv4(bytes: Buffer, at: number, text: string, start: number): boolean {
  let part = 0;
  let value = 0;
  let digitCount = 0;
  for (let index = start; index <= text.length; index += 1) {
    const code = index === text.length ? DOT : text.charCodeAt(index);
    if (code === DOT) {
      if (digitCount === 0 || value > 0xff || part === 4) return false;
      bytes[at + part] = value;
      part += 1;
      value = 0;
      digitCount = 0;
    } else if (code >= ZERO && code <= ZERO + 9) {
      value = value * 10 + code - ZERO;
      digitCount += 1;
    } else return false;
  }
  return part === 4;
}

const DOT = 46;
const ZERO = 48;

function writeIpv6(bytes: Buffer, at: number, text: string): boolean {
  const [head = "", tail, ...more] = text.split("::");
  if (more.length > 0) return false;
  const before = writeGroups(bytes, at, head);
  if (tail === undefined) return before === 16;
  if (before === -1 || before > 14) return false;
  const scratch = Buffer.alloc(16);
  const after = writeGroups(scratch, 0, tail);
  if (after === -1 || before + after > 14) return false;
  scratch.copy(bytes, at + 16 - after, 0, after);
  return true;
}

/** Writes groups of one side of `::`; the bytes written, or -1. */
function writeGroups(bytes: Buffer, at: number, text: string): number {
  if (text === "") return 0;
  let written = 0;
  for (const group of text.split(":")) {
    if (group.includes(".")) {
      if (written > 12 || !writeIpv4(bytes, at + written, group, 0)) return -1;
      written += 4;
    } else {
      if (written > 14 || !/^[0-9a-f]{1,4}$/i.test(group)) return -1;
      bytes.writeUInt16BE(Number.parseInt(group, 16), at + written);
      written += 2;
    }
  }
  return written;
}
