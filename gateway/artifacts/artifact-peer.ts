// SPDX-License-Identifier: Apache-2.0
/** Which device a request is from: its certificate says, and no header. */
import type { IncomingMessage } from "node:http";
import { TLSSocket } from "node:tls";
import { MusterError } from "../../domain/errors.ts";
import { readPeerCertificate } from "../peer-certificate.ts";

/** As `tenant/device`. Throws `permission_denied` with the reason. */
export function certifiedDevice(request: IncomingMessage, wallMs: number): string {
  const { socket } = request;
  const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
  const peer = readPeerCertificate(certificate, wallMs);
  if ("fault" in peer) throw new MusterError({ code: "permission_denied", message: peer.fault });
  const { identity } = peer;
  if (identity.role === "device") return `${identity.tenant}/${identity.device}`;
  const message = "artifacts are for devices; this certificate names a gateway";
  throw new MusterError({ code: "permission_denied", message });
}
