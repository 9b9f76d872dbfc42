// SPDX-License-Identifier: Apache-2.0
/**
 * Connections to the center: gRPC over HTTP/2 and mutual TLS. The center must show a certificate
 * of our CA whose SAN URI says that it is the center; the host name does not matter. (A gateway's
 * certificate may serve TLS as well: the CA alone would let it pose as the center.)
 *
 * The stream and the fetches have a connection each, so that a gigabyte of artifact does not stand
 * in front of a stop.
 */
import type { SecureClientSessionOptions } from "node:http2";
import { createClient, type Client } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { MusterError } from "../../domain/errors.ts";
import { certificateIdentity, readCertificate } from "../../protocol/trust/certificate-identity.ts";
import { TLS_CIPHERS, TLS_MIN_VERSION } from "../../protocol/trust/tls-policy.ts";
import { GatewayLink } from "../../protocol/gen/muster/v1/gateway_pb.ts";
import type { Clock } from "../../ports/clock.ts";
import type { GatewayIdentity } from "../identity.ts";
import { CenterSession } from "./center-session.ts";

/** A plan lease of 1,000 offers of 16 KiB fits. */
const MESSAGE_BYTES_MAX: number = 32 * 2 ** 20;

export interface CenterClientOptions {
  /** `host:port`. */
  readonly centerAddress: string;
  readonly identity: GatewayIdentity;
  readonly clock: Clock;
}

/** One connection; opened with the first call. */
export interface CenterConnection {
  readonly client: Client<typeof GatewayLink>;
  /** Ends the connection and every call on it. */
  close(): void;
}

export type ConnectCenter = () => CenterConnection;

export function centerConnector(options: CenterClientOptions): ConnectCenter {
  const baseUrl = `https://${options.centerAddress}`;
  const { key, certificate, authority } = options.identity;
  const tls: SecureClientSessionOptions = {
    key,
    cert: certificate,
    ca: authority,
    minVersion: TLS_MIN_VERSION,
    ciphers: TLS_CIPHERS,
    checkServerIdentity: (_host, peer) => centerFault(peer.raw),
  };
  return () => {
    const sessionManager = new CenterSession({ authority: baseUrl, tls, clock: options.clock });
    const transport = createGrpcTransport({
      baseUrl,
      sessionManager,
      // What goes over the link is packed already, and a lease of 1,000 offers mostly hashes.
      acceptCompression: [],
      readMaxBytes: MESSAGE_BYTES_MAX,
      writeMaxBytes: MESSAGE_BYTES_MAX,
    });
    return { client: createClient(GatewayLink, transport), close: () => sessionManager.close() };
  };
}

/** Undefined when the certificate, which the handshake has verified, is the center's. */
function centerFault(der: Buffer): Error | undefined {
  const identity = certificateIdentity(readCertificate(der, "the peer's certificate"));
  if (identity?.role === "center") return undefined;
  return new MusterError({
    code: "untrusted",
    message: "the peer at the center's address is not the center",
    detail: { hint: "check the center's address" },
  });
}
