// SPDX-License-Identifier: Apache-2.0
/**
 * The floor: a message of a withdrawal's size to each of so many connections of one process over
 * loopback, and an answer of an acknowledgement's size from each, both ends in this process. No
 * TLS, no MQTT, no disk, no second process.
 */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/** A PUBLISH with the topic and payload of a withdrawal. */
const MESSAGE_BYTES = 110;
const PUBACK_BYTES = 4;
const ROUNDS = 5;

/** Milliseconds from the first write until the last answer; the median of five rounds. */
export async function measureLoopback(connectionCount: number): Promise<number> {
  const served: Socket[] = [];
  const clients: Socket[] = [];
  const server = createServer((socket) => served.push(socket.setNoDelay(true)));
  server.listen(0, "127.0.0.1", 1_024);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  for (let count = 0; count < connectionCount; count++) {
    const client = connect(port, "127.0.0.1");
    await once(client, "connect");
    client.setNoDelay(true).on("data", () => void client.write(Buffer.alloc(PUBACK_BYTES)));
    clients.push(client);
  }
  while (served.length < connectionCount) await once(server, "connection");
  const roundsMs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) roundsMs.push(await oneRound(served));
  for (const socket of [...clients, ...served]) socket.destroy();
  server.close();
  return roundsMs.toSorted((one, other) => one - other)[Math.floor(ROUNDS / 2)] ?? 0;
}

async function oneRound(sockets: readonly Socket[]): Promise<number> {
  const startedAtMs = performance.now();
  const answers = sockets.map((socket) => once(socket, "data"));
  const message = Buffer.alloc(MESSAGE_BYTES);
  for (const socket of sockets) socket.write(message);
  await Promise.all(answers);
  return performance.now() - startedAtMs;
}
