// SPDX-License-Identifier: Apache-2.0
/** One connection to a gateway, as a port: MQTT over TLS in production, a queue in simulation. */
import type { DownChannel, UpChannel } from "../../protocol/device/topics.ts";
import type { GatewayAddress } from "./gateway-address.ts";

export type SendResult =
  /** QoS 1: whoever must hold it holds it. QoS 0: handed to the network. */
  | { readonly kind: "taken" }
  /** The server does not want it; `isFinal` = it never will. */
  | { readonly kind: "refused"; readonly why: string; readonly isFinal: boolean }
  /** Unknown or not sent; to be sent again. */
  | { readonly kind: "lost" };

export interface Connection {
  /** What the server demands instead of the keep alive asked for; null = nothing. */
  readonly serverKeepAliveMs: number | null;
  /** Resolves with a sentence when the connection is over; never rejects. */
  readonly closed: Promise<string>;
  send(options: { channel: UpChannel; payload: Uint8Array; durable: boolean }): Promise<SendResult>;
  /** Says goodbye and closes. */
  close(): Promise<void>;
}

/** A message for the device; acknowledged when the promise resolves. */
export type DownHandler = (channel: DownChannel, payload: Uint8Array) => Promise<void>;

export type Dialled =
  /** Connected and subscribed. */
  | { readonly kind: "connected"; readonly connection: Connection }
  /** The gateway is full; `reference` is MQTT's Server Reference: `HOST:PORT` of another one. */
  | { readonly kind: "redirected"; readonly reference: string };

export interface Dialer {
  /** Throws a MusterError, `unavailable` in most cases. */
  dial(options: {
    gateway: GatewayAddress;
    onMessage: DownHandler;
    signal: AbortSignal;
  }): Promise<Dialled>;
}
