// SPDX-License-Identifier: Apache-2.0
/**
 * The first bytes of a connection that comes through a load balancer: the PROXY protocol
 * (haproxy.org, 2020/03/05), version 1 (§2.1, a line) and 2 (§2.2, binary). They name the client
 * that the load balancer speaks for. Never throws: what is wrong is a value.
 */
import { isIPv4, isIPv6 } from "node:net";

/** §2.1: the longest line, its CR LF included. */
const LINE_BYTES_MAX = 107;
const LINE_START = Buffer.from("PROXY ");
/** §2.2: no text protocol begins like this. */
const SIGNATURE = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
const FIXED_BYTES = 16;
/** Addresses take 36 bytes; the rest is what a balancer tells of TLS and of itself. */
export const MAX_HEADER_BYTES = 4_096;

export interface ProxyHeader {
  /** Bytes of the header; what follows is the client's. */
  readonly lengthBytes: number;
  /** `address:port` (IPv6 in brackets); null: the balancer speaks for itself, or does not know. */
  readonly source: string | null;
}

/** `more`: it may become one. `fault`: why it is none, as a sentence. */
export type ProxyHeaderResult = ProxyHeader | "more" | { readonly fault: string };

/** Reads the header that `bytes` begin with. */
export function parseProxyHeader(bytes: Buffer): ProxyHeaderResult {
  if (startsLike(bytes, SIGNATURE)) {
    return bytes.length < FIXED_BYTES ? "more" : parseBinary(bytes);
  }
  if (startsLike(bytes, LINE_START)) return parseLine(bytes);
  return { fault: "the connection does not begin with a PROXY header" };
}

/** Equal as far as both go. */
function startsLike(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return bytes.compare(start, 0, length, 0, length) === 0;
}

function parseLine(bytes: Buffer): ProxyHeaderResult {
  const end = bytes.subarray(0, LINE_BYTES_MAX).indexOf("\r\n");
  if (end === -1) {
    const fault = `a PROXY line has at most ${LINE_BYTES_MAX} bytes`;
    return bytes.length < LINE_BYTES_MAX ? "more" : { fault };
  }
  const lengthBytes = end + 2;
  const words = bytes.toString("latin1", LINE_START.length, end).split(" ");
  // §2.1: whatever follows UNKNOWN is ignored.
  if (words[0] === "UNKNOWN") return { lengthBytes, source: null };
  const [family, source = "", destination = "", ...ports] = words;
  const isAddress = family === "TCP4" ? isIPv4 : family === "TCP6" ? isIPv6 : null;
  if (isAddress === null) return { fault: "a PROXY line names TCP4, TCP6 or UNKNOWN" };
  if (!isAddress(source) || !isAddress(destination)) {
    return { fault: "a PROXY line has two addresses of its family" };
  }
  if (ports.length !== 2 || !ports.every(isPort)) {
    return { fault: "a PROXY line ends with two ports" };
  }
  return { lengthBytes, source: endpoint(source, Number(ports[0])) };
}

/** §2.1: decimal, without leading zeroes. */
function isPort(text: string): boolean {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 0xffff;
}

const Command = { Local: 0, Proxy: 1 } as const;
const Family = { Unspecified: 0, Inet: 1, Inet6: 2, Unix: 3 } as const;

function parseBinary(bytes: Buffer): ProxyHeaderResult {
  const versionAndCommand = bytes.readUInt8(12);
  if (versionAndCommand >> 4 !== 2) return { fault: "the PROXY header is of an unknown version" };
  const command = versionAndCommand & 0xf;
  if (command > Command.Proxy) return { fault: "the PROXY header has an unknown command" };
  const lengthBytes = FIXED_BYTES + bytes.readUInt16BE(14);
  if (lengthBytes > MAX_HEADER_BYTES) {
    return { fault: `a PROXY header has at most ${MAX_HEADER_BYTES} bytes` };
  }
  if (bytes.length < lengthBytes) return "more";
  if (command === Command.Local) return { lengthBytes, source: null };
  const family = bytes.readUInt8(13) >> 4;
  if (family === Family.Unspecified || family === Family.Unix) return { lengthBytes, source: null };
  if (family > Family.Unix) return { fault: "the PROXY header has an unknown address family" };
  const addressBytes = family === Family.Inet ? 4 : 16;
  if (lengthBytes < FIXED_BYTES + 2 * addressBytes + 4) {
    return { fault: "the PROXY header is too short for its addresses" };
  }
  const address = bytes.subarray(FIXED_BYTES, FIXED_BYTES + addressBytes);
  const port = bytes.readUInt16BE(FIXED_BYTES + 2 * addressBytes);
  return { lengthBytes, source: endpoint(textOf(address), port) };
}

function textOf(address: Buffer): string {
  if (address.length === 4) return address.join(".");
  const groups: string[] = [];
  for (let at = 0; at < address.length; at += 2) groups.push(address.readUInt16BE(at).toString(16));
  return groups.join(":");
}

function endpoint(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
