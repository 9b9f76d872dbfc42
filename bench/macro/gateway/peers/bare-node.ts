// SPDX-License-Identifier: Apache-2.0
/**
 * The floor: Node's `net` and nothing else. It answers CONNECT, SUBSCRIBE and QoS 1 publishes with
 * constant bytes and looks at no topic, payload, limit or deadline. One set of handlers for all
 * sockets, state in a property of the socket: the cheapest form that was measured.
 */
import { createServer, type AddressInfo, type Socket } from "node:net";

interface PeerSocket extends Socket {
  /** The start of a packet whose rest has not come. */
  peerTail?: Buffer | null;
}

const CONNACK = Buffer.of(0x20, 2, 0, 0);
const [CONNECT_TYPE, PUBLISH_TYPE, SUBSCRIBE_TYPE] = [1, 3, 8];

function onData(this: PeerSocket, chunk: Buffer): void {
  const tail = this.peerTail ?? null;
  const bytes = tail === null ? chunk : Buffer.concat([tail, chunk]);
  let offset = 0;
  for (;;) {
    const end = packetEnd(bytes, offset);
    if (end === -1) break;
    answer(this, bytes, offset);
    offset = end;
  }
  this.peerTail = offset === bytes.length ? null : bytes.subarray(offset);
}

/** -1 when the packet is not whole. */
function packetEnd(bytes: Buffer, start: number): number {
  const body = bodyStart(bytes, start);
  if (body === -1) return -1;
  let length = 0;
  for (let at = start + 1; at < body; at += 1) {
    length |= ((bytes[at] ?? 0) & 127) << ((at - start - 1) * 7);
  }
  return body + length <= bytes.length ? body + length : -1;
}

function bodyStart(bytes: Buffer, start: number): number {
  for (let at = start + 1; at < bytes.length; at += 1) {
    if ((bytes[at] ?? 0) < 128) return at + 1;
  }
  return -1;
}

function answer(socket: Socket, bytes: Buffer, start: number): void {
  const first = bytes[start] ?? 0;
  const body = bodyStart(bytes, start);
  if (first >> 4 === PUBLISH_TYPE && (first & 6) !== 0) {
    const id = body + 2 + bytes.readUInt16BE(body);
    socket.write(Buffer.of(0x40, 2, bytes[id] ?? 0, bytes[id + 1] ?? 0));
  } else if (first >> 4 === CONNECT_TYPE) socket.write(CONNACK);
  else if (first >> 4 === SUBSCRIBE_TYPE) {
    socket.write(Buffer.of(0x90, 3, bytes[body] ?? 0, bytes[body + 1] ?? 0, 1));
  }
}

function onError(): void {}

const server = createServer({ noDelay: true }, (socket) => {
  socket.on("data", onData);
  socket.on("error", onError);
});
server.listen({ host: "127.0.0.1", port: 0, backlog: 4_096 }, () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});
