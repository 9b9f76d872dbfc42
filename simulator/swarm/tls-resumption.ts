// SPDX-License-Identifier: Apache-2.0
/**
 * The TLS session of a device that will come back: a resumed handshake costs half of a full one.
 * Kept only for devices whose behaviour breaks connections; 3 KiB each.
 */
import type { TLSSocket } from "node:tls";
import { peerSession } from "../../agent/trust/peer.ts";
import type { PeerSession } from "../../agent/trust/peer.ts";

export class TlsResumption {
  #gateway = "";
  #session: PeerSession | null = null;

  /** The session to resume with this gateway; a ticket is used once (RFC 8446 appendix C.4). */
  take(gateway: string): PeerSession | null {
    const session = this.#gateway === gateway ? this.#session : null;
    this.#session = null;
    return session;
  }

  /** Keeps the newest ticket that comes over this connection. `resumed`: what it resumed. */
  keepFrom(socket: TLSSocket, gateway: string, resumed: PeerSession | null): void {
    socket.on("session", (session: Buffer) => {
      this.#gateway = gateway;
      this.#session = peerSession(socket, session, resumed ?? undefined);
    });
  }
}
