// SPDX-License-Identifier: Apache-2.0
/** The UDP socket under a CoAP listener. */
import { createSocket, type Socket } from "node:dgram";
import { lookup } from "node:dns";
import { isIP, isIPv6 } from "node:net";
import { listenError } from "../../../runtime/listen.ts";
import type { CoapListener, Transmit } from "./coap-listener.ts";

export interface CoapServerOptions {
  /** For messages to people: "the insecure CoAP listener". */
  readonly what: string;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly makeListener: (transmit: Transmit) => CoapListener;
}

export interface CoapServer {
  readonly port: number;
  /** Begins no further session; the ones there are stay. */
  stopAccepting(): void;
  close(): Promise<void>;
}

/**
 * What may lie unread in the socket, bytes: about a second of the heartbeats of a million devices,
 * longer than any pause of this process should be. What does not fit is lost, and comes again after
 * 2 s. The kernel gives no more than `net.core.rmem_max`, and says nothing.
 */
export const RECEIVE_BUFFER_BYTES: number = 8 * 2 ** 20;

export async function startCoapServer(options: CoapServerOptions): Promise<CoapServer> {
  const socket = createSocket({
    type: isIPv6(options.host) ? "udp6" : "udp4",
    recvBufferSize: RECEIVE_BUFFER_BYTES,
    // An address needs no looking up; Node would put each datagram into the resolver's queue.
    lookup: (host, options, done) => {
      const family = isIP(host);
      if (family === 0) lookup(host, options, done);
      else done(null, host, family);
    },
  });
  const listener = options.makeListener((bytes, { address, port }) =>
    socket.send(bytes, port, address),
  );
  socket.on("message", (datagram, source) => listener.receive(datagram, source));
  await bind(socket, options).catch((error: unknown) => {
    listener.stop();
    throw error;
  });
  // A datagram that cannot be sent is a lost one: whoever misses it asks again.
  socket.on("error", () => {});
  return {
    port: socket.address().port,
    stopAccepting: () => listener.stopAccepting(),
    close: () => {
      listener.stop();
      return new Promise((resolve) => socket.close(() => resolve()));
    },
  };
}

function bind(socket: Socket, where: { what: string; host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      socket.close();
      reject(listenError(where, error));
    };
    socket.once("error", onError);
    socket.bind({ address: where.host, port: where.port }, () => {
      socket.off("error", onError);
      resolve();
    });
  });
}
