// SPDX-License-Identifier: Apache-2.0
/** Something that happens to a new connection before its listener hears of it. */
import type { Server, Socket } from "node:net";

/**
 * `step` gets each new connection; calling `begin` hands it on to whoever listened before, now or
 * later. The last that is put there comes first.
 */
export function beforeConnection(
  server: Server,
  step: (socket: Socket, begin: () => void) => void,
): void {
  const begins = server.listeners("connection");
  server.removeAllListeners("connection");
  server.on("connection", (socket: Socket) => {
    step(socket, () => {
      for (const begin of begins) begin.call(server, socket);
    });
  });
}
