// SPDX-License-Identifier: Apache-2.0
/**
 * New connections of a server before Node makes sockets of them. All that wait in the kernel are
 * accepted in one turn of the event loop; a socket for each, with its options set, takes tens of
 * microseconds, so a storm of 18,000 stopped the loop for most of a second. What is held here is a
 * handle, of which nothing is read: a tenth of that.
 */
import type { Server } from "node:net";
import { isTestedRuntime } from "./tested-runtime.ts";

/** Where a connection comes from, as a socket would say it. */
export interface HeldFrom {
  readonly remoteAddress?: string | undefined;
  readonly remoteFamily?: string | undefined;
}

/** Each new connection: one of the two is called, once, now or later. */
export type HeldStep = (from: HeldFrom, begin: () => void, refuse: () => void) => void;

interface ClientHandle {
  getpeername(out: { address?: string; family?: string }): number;
  close(): void;
}

type OnConnection = (error: number, client: ClientHandle | undefined) => void;

interface Insides extends Server {
  readonly _handle: { onconnection: OnConnection } | null;
}

/**
 * To be called before `server` listens; it may listen again later. False: this runtime was not
 * tested, and nothing was done.
 */
export function holdConnections(server: Server, step: HeldStep): boolean {
  if (!isTestedRuntime()) return false;
  server.on("listening", () => {
    const { _handle: handle } = server as Insides;
    if (handle === null) return;
    const begin = handle.onconnection;
    handle.onconnection = (error, client) => {
      // Without one there is an error, which is the server's to tell.
      if (client === undefined) return begin.call(handle, error, client);
      const from: { address?: string; family?: string } = {};
      client.getpeername(from);
      step(
        { remoteAddress: from.address, remoteFamily: from.family },
        () => {
          // It may have stopped listening meanwhile: then nobody would have the socket.
          if (server.listening) begin.call(handle, error, client);
          else client.close();
        },
        () => client.close(),
      );
    };
  });
  return true;
}
