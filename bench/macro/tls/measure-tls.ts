// SPDX-License-Identifier: Apache-2.0
/** One run of one server: full handshakes, connections that stay, resumed handshakes. */
import assert from "node:assert/strict";
import { connect, type TLSSocket } from "node:tls";
import { encodeConnect } from "../../../protocol/mqtt/connect-encoder.ts";
import { quiet } from "../gateway/measure.ts";
import type { BenchDevice } from "./bench-devices.ts";
import type { TlsServer } from "./tls-servers.ts";

/** Handshakes at once: enough to keep a server busy, few enough for its limits. */
const WINDOW = 32;
const KEEP_ALIVE_SECONDS = 1_200;

/** What is measured, and its unit. */
export const METRICS = {
  "CPU of a full handshake": "µs",
  "CPU of a resumed handshake": "µs",
  "idle RSS a connection": "bytes",
} as const;

export type TlsResult = { readonly [metric in keyof typeof METRICS]: number };

interface Connected {
  readonly socket: TLSSocket;
  /** The newest ticket that the server has sent. */
  readonly session: Buffer;
}

export async function measureTls(
  server: TlsServer,
  devices: readonly BenchDevice[],
): Promise<TlsResult> {
  const base = await quiet(server);
  const first = await connectAll(server.port, devices, []);
  const connected = await quiet(server);
  await closeAll(first);
  const closed = await quiet(server);
  const sessions = first.map(({ session }) => session);
  const second = await connectAll(server.port, devices, sessions);
  const resumed = await quiet(server);
  assert(second.every(({ socket }) => socket.isSessionReused()));
  await closeAll(second);
  const each = (total: number): number => total / devices.length;
  return {
    "CPU of a full handshake": each(connected.cpuSeconds - base.cpuSeconds) * 1e6,
    "CPU of a resumed handshake": each(resumed.cpuSeconds - closed.cpuSeconds) * 1e6,
    "idle RSS a connection": each(connected.rssBytes - base.rssBytes),
  };
}

async function connectAll(
  port: number,
  devices: readonly BenchDevice[],
  sessions: readonly Buffer[],
): Promise<readonly Connected[]> {
  const connected: Connected[] = [];
  let next = 0;
  const connectNext = async (): Promise<void> => {
    for (let index = next++; index < devices.length; index = next++) {
      const device = devices[index];
      assert(device !== undefined);
      connected[index] = await connectOne(port, device, sessions[index]);
    }
  };
  await Promise.all(Array.from({ length: WINDOW }, connectNext));
  return connected;
}

/** Resolves with the CONNACK and a ticket. */
function connectOne(
  port: number,
  { id, key, cert, ca }: BenchDevice,
  ticket: Buffer | undefined,
): Promise<Connected> {
  const { promise, resolve, reject } = Promise.withResolvers<Connected>();
  const resume = ticket === undefined ? {} : { session: ticket };
  const socket = connect({
    host: "127.0.0.1",
    port,
    servername: "localhost",
    key,
    cert,
    ca,
    ...resume,
  });
  let session = ticket;
  let isAnswered = false;
  const settle = (): void => {
    if (isAnswered && session !== undefined) resolve({ socket, session });
  };
  const fields = { protocolLevel: 4, clientId: id, keepAliveSeconds: KEEP_ALIVE_SECONDS } as const;
  socket.once("secureConnect", () => socket.write(encodeConnect({ ...fields, cleanStart: true })));
  socket.on("session", (newest) => {
    session = newest;
    settle();
  });
  socket.once("data", (packet: Buffer) => {
    if (packet[3] !== 0) reject(new Error(`CONNACK with code ${packet[3]}`));
    isAnswered = true;
    settle();
  });
  socket.on("error", reject);
  return promise;
}

async function closeAll(connected: readonly Connected[]): Promise<void> {
  const closes = connected.map(({ socket }) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    socket.once("close", () => resolve());
    socket.destroy();
    return promise;
  });
  await Promise.all(closes);
}
