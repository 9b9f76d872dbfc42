// SPDX-License-Identifier: Apache-2.0
/** A CoAP listener: a UDP socket, and the layers above it put together. */
import { createSocket, type Socket } from "node:dgram";
import { lookup } from "node:dns";
import { isIP, isIPv6 } from "node:net";
import { listenError } from "../../../runtime/listen.ts";
import { BodyAssembler } from "./body-assembler.ts";
import { CoapColumns } from "./coap-columns.ts";
import type { CoapContext } from "./coap-context.ts";
import { CoapSessions } from "./coap-sessions.ts";
import { ConfirmableSender } from "./confirmable-sender.ts";
import { DeviceResources } from "./device-resources.ts";
import { EchoValues } from "./echo-values.ts";
import { ExchangeCache } from "./exchange-cache.ts";
import { MessageLayer } from "./message-layer.ts";
import { PlainPeers } from "./plain-peers.ts";
import { RefusedDevices } from "./refused-devices.ts";
import { ReplyWriter } from "./reply-writer.ts";
import { OPEN_SEALER } from "./sealer.ts";
import type { Source } from "./source.ts";

export interface CoapServerOptions {
  readonly context: CoapContext;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

export interface CoapServer {
  readonly port: number;
  /** Begins no further session; the ones there are stay. */
  stopAccepting(): void;
  close(): Promise<void>;
}

/** Everything above the socket. */
export interface CoapListener {
  receive(datagram: Buffer, source: Source): void;
  stopAccepting(): void;
  stop(): void;
}

/** The listener on which devices are who they say. */
export async function startInsecureCoapServer(options: CoapServerOptions): Promise<CoapServer> {
  const { host, port, context } = options;
  const what = "the insecure CoAP listener";
  return openSocket({ what, host, port }, (transmit) => insecureListener(context, transmit));
}

/** The layers of the insecure listener. */
export function insecureListener(
  context: CoapContext,
  transmit: (bytes: Buffer, to: Source) => void,
): CoapListener {
  const { random, lifecycle } = context;
  const shared = {
    ...context,
    transmit,
    sealer: OPEN_SEALER,
    echo: new EchoValues(context),
    exchanges: new ExchangeCache({ seed: Math.floor(random.next() * 0x1_0000_0000) }),
    refused: new RefusedDevices(),
    columns: new CoapColumns(),
    credentialOf: () => "",
  };
  const sender = new ConfirmableSender({ ...shared, onIdle: (slot) => lifecycle.ready(slot) });
  const writer = new ReplyWriter(shared);
  const sessions = new CoapSessions({ ...shared, sender });
  const bodies = new BodyAssembler(context);
  const resources = new DeviceResources({ ...shared, sessions, bodies, writer });
  const peers = new PlainPeers({ ...shared, writer });
  const layer = new MessageLayer({ ...shared, peers, resources, sender });
  return {
    receive: (datagram, source) => layer.receive(datagram, source),
    stopAccepting: () => resources.stopAccepting(),
    stop: () => sender.stop(),
  };
}

async function openSocket(
  where: { what: string; host: string; port: number },
  makeListener: (transmit: (bytes: Buffer, to: Source) => void) => CoapListener,
): Promise<CoapServer> {
  const socket = createSocket({
    type: isIPv6(where.host) ? "udp6" : "udp4",
    // An address needs no looking up; Node would put each datagram into the resolver's queue.
    lookup: (host, options, done) => {
      const family = isIP(host);
      if (family === 0) lookup(host, options, done);
      else done(null, host, family);
    },
  });
  const listener = makeListener((bytes, { address, port }) => socket.send(bytes, port, address));
  socket.on("message", (datagram, source) => listener.receive(datagram, source));
  await bind(socket, where);
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
