// SPDX-License-Identifier: Apache-2.0
/**
 * The floor: Node's `tls` with the gateway's own settings, and nothing else. It answers the first
 * bytes of a connection, which are a CONNECT, with a CONNACK. One set of handlers for all sockets.
 */
import type { AddressInfo } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import { deviceTls } from "../../../gateway/device-tls.ts";
import type { KeyAndCertificate } from "../gateway/bench-authority.ts";

const CONNACK = Buffer.of(0x20, 2, 0, 0);

function onData(this: TLSSocket): void {
  this.write(CONNACK);
}

function onError(): void {}

const { key, cert, ca } = JSON.parse(process.argv[2] ?? "") as KeyAndCertificate;
const tls = deviceTls({ key, certificate: cert, authority: ca });
const server = createServer({ ...tls, noDelay: true }, (socket) => {
  socket.on("data", onData);
  socket.on("error", onError);
});
server.on("tlsClientError", onError);
server.listen({ host: "127.0.0.1", port: 0, backlog: 4_096 }, () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});
