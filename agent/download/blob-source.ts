// SPDX-License-Identifier: Apache-2.0
/** Bytes from a gateway's artifacts port, as a port: HTTPS in production. */
import type { GatewayAddress } from "../link/gateway-address.ts";

export type BlobAnswer =
  | {
      readonly kind: "bytes";
      /** Where in the blob the body begins: what was asked for, or 0 where ranges are ignored. */
      readonly fromByte: number;
      readonly body: AsyncIterable<Uint8Array>;
    }
  /** The gateway does not have it, and neither has the center behind it. */
  | { readonly kind: "not-found" }
  /** 416: what is kept of it is longer than what the gateway has. */
  | { readonly kind: "bad-range" }
  /** 429, 503: come again. */
  | { readonly kind: "busy"; readonly retryAfterMs: number | null }
  | { readonly kind: "error"; readonly status: number };

export interface BlobSource {
  /** `path` begins with a slash. Throws MusterError `unavailable` when the connection fails. */
  get(options: {
    gateway: GatewayAddress;
    path: string;
    fromByte: number;
    /** Told to the gateway, for its caps of the bandwidth. */
    rollout?: number | undefined;
    /** Many small answers follow one another: one connection serves them all. */
    reusesConnection?: boolean;
    signal: AbortSignal;
  }): Promise<BlobAnswer>;
}
