// SPDX-License-Identifier: Apache-2.0
/** What can come of the calls of `MqttClientSession`. All of them are expected: none is thrown. */
import type { Connack, MalformedPacket } from "./packets.ts";
import type { Properties } from "./properties.ts";
import type { ReasonCode } from "./reason-codes.ts";

/** Why a session is over. */
export type CloseReason =
  /** `disconnect` was called. */
  | { readonly cause: "disconnected" }
  /** CONNACK said no. */
  | {
      readonly cause: "refused";
      readonly reasonCode: ReasonCode;
      readonly properties: Properties | undefined;
    }
  /** The server said DISCONNECT (level 5 only). */
  | {
      readonly cause: "server-disconnected";
      readonly reasonCode: ReasonCode;
      readonly properties: Properties | undefined;
    }
  /** The server broke the protocol. */
  | { readonly cause: "malformed"; readonly packet: MalformedPacket }
  /** The connection ended or failed; `error` is what the transport reported, if anything. */
  | { readonly cause: "transport"; readonly error: Error | undefined }
  /** No CONNACK within `connectTimeoutMs`. */
  | { readonly cause: "connect-timeout" }
  /** The signal of `connect` was aborted. */
  | { readonly cause: "aborted" }
  /** No answer to PINGREQ, nor anything else, for half a keep alive. */
  | { readonly cause: "keep-alive-timeout" }
  /** `onPublish` threw or rejected: its message stays unacknowledged and will come again. */
  | { readonly cause: "handler-failed"; readonly error: unknown };

export type ConnectOutcome =
  | { readonly kind: "accepted"; readonly connack: Connack }
  | { readonly kind: "closed"; readonly reason: CloseReason };

export type PublishOutcome =
  /** QoS 0: handed to the transport, which promises nothing. */
  | { readonly kind: "sent" }
  /** QoS 1: the server answered. Below 0x80 it took the message over. */
  | {
      readonly kind: "acknowledged";
      readonly reasonCode: ReasonCode;
      readonly properties: Properties | undefined;
    }
  /** Not sent: too much waits to be sent or acknowledged already. */
  | { readonly kind: "queue-full" }
  /** Not sent: over the server's Maximum Packet Size. */
  | { readonly kind: "too-large" }
  /** The signal was aborted. Whether the server has the message is unknown. */
  | { readonly kind: "aborted" }
  /** The session is over (or not open). Whether the server has the message is unknown. */
  | { readonly kind: "closed" };

export type SubscribeOutcome =
  /** One code for each filter: 0 to 2 is the granted QoS, from 0x80 a refusal. */
  | { readonly kind: "granted"; readonly reasonCodes: readonly ReasonCode[] }
  | { readonly kind: "queue-full" }
  | { readonly kind: "too-large" }
  | { readonly kind: "aborted" }
  | { readonly kind: "closed" };

// Shared, because they say nothing about who asked.
export const SENT: Promise<{ readonly kind: "sent" }> = Promise.resolve({ kind: "sent" });
export const QUEUE_FULL: Promise<{ readonly kind: "queue-full" }> = Promise.resolve({
  kind: "queue-full",
});
export const TOO_LARGE: Promise<{ readonly kind: "too-large" }> = Promise.resolve({
  kind: "too-large",
});
export const ABORTED: Promise<{ readonly kind: "aborted" }> = Promise.resolve({ kind: "aborted" });
export const CLOSED: Promise<{ readonly kind: "closed" }> = Promise.resolve({ kind: "closed" });
