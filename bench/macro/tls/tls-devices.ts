// SPDX-License-Identifier: Apache-2.0
/** Devices that connect over mutual TLS, each until its CONNACK and a ticket. */
import assert from "node:assert/strict";
import { connect, type TLSSocket } from "node:tls";
import { encodeConnect } from "../../../protocol/mqtt/connect-encoder.ts";
import type { BenchDevice } from "./bench-devices.ts";

const KEEP_ALIVE_SECONDS = 1_200;

export interface Connected {
  readonly socket: TLSSocket;
  /** The newest ticket that the server has sent. */
  readonly session: Buffer;
}

/** At most `window` at once. `sessions`: tickets to resume with, of the same index. */
export async function connectAll(
  port: number,
  devices: readonly BenchDevice[],
  sessions: readonly Buffer[],
  window: number,
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
  await Promise.all(Array.from({ length: window }, connectNext));
  return connected;
}

/** Resolves with the CONNACK and a ticket; rejects when the connection ends before. */
export function connectOne(
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
  socket.once("close", () => reject(new Error("the connection was closed")));
  return promise;
}

export async function closeAll(connected: readonly Connected[]): Promise<void> {
  const closes = connected.map(({ socket }) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    socket.once("close", () => resolve());
    socket.destroy();
    return promise;
  });
  await Promise.all(closes);
}
