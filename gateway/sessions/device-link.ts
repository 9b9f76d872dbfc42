// SPDX-License-Identifier: Apache-2.0
/**
 * What a session can do with its device, whatever protocol its listener speaks. A listener's
 * connection implements it; everything behind the listener knows nothing else of the connection.
 */
import type { DownChannel } from "../../protocol/device/topics.ts";

/** Why the gateway, or the other side, ends a session. A listener maps each to its own codes. */
export const CLOSE_CAUSES = [
  /** The device or the network closed the connection. */
  "closed",
  /** No packet within the silence limit. */
  "silent",
  /** A newer session of the same device. */
  "taken-over",
  /** The center refused the session: unknown device or revoked certificate. */
  "refused",
  /** The gateway is full, and another one has room. */
  "redirected",
  /** The device was retired. */
  "retired",
  /** It did not take what was sent to it in time, or asked for more than its output holds. */
  "slow",
  /** It has more unacknowledged messages than the gateway holds. */
  "held-limit",
  /** It used topics of others again and again. */
  "not-its-topic",
  /** It broke the protocol; the listener has said how. */
  "protocol",
  /** No CONNECT within its deadline. */
  "connect-timeout",
  /** The gateway shuts down. */
  "draining",
] as const;
export type CloseCause = (typeof CLOSE_CAUSES)[number];

export type DeliveryOutcome =
  /** Written; with QoS 1 `acknowledged` is called when the device has acknowledged it. */
  | "sent"
  /** Output or in-flight window is full; `sessionReady` follows when there is room. */
  | "blocked"
  /** The device has not subscribed; `sessionReady` follows when it does. */
  | "unsubscribed"
  /** Larger than the device said it can take: it will never get it. */
  | "too-large";

export interface DeviceLink {
  /** Lower-case hex serial of the certificate that the device showed. */
  readonly certificateSerial: string;
  /**
   * Never queues beyond the session's bound and never waits for another device. `acknowledged` is
   * called when the device has it; `mayRepeat` is asked before it goes out once more, when the
   * device takes its session up again after a lost connection. Without it nothing is repeated, nor
   * by a listener whose protocol has no such sessions.
   */
  deliver(
    channel: DownChannel,
    payload: Uint8Array,
    acknowledged?: (() => void) | null,
    mayRepeat?: () => boolean,
  ): DeliveryOutcome;
  /** A held message (`IntakeResult.Held`) is durable: acknowledge it, in order. */
  acknowledge(ticket: number): void;
  close(cause: CloseCause): void;
}
