// SPDX-License-Identifier: Apache-2.0
/** What `MqttClientSession` is given, and the part of it that a message handler sees. */
import type { Duplex } from "node:stream";
import type { Clock } from "../../ports/clock.ts";
import type { CloseReason, PublishOutcome, SubscribeOutcome } from "./client-outcomes.ts";
import type { DecoderLimits } from "./decoder-limits.ts";
import type { ProtocolLevel, QoS } from "./packet-type.ts";
import type { ConnectFields, Publish } from "./packets.ts";
import type { Properties } from "./properties.ts";

export interface MqttClientOptions {
  /** An open stream, encrypted or not. The session takes it over and closes it. */
  readonly transport: Duplex;
  readonly clock: Pick<Clock, "setTimer">;
  readonly protocolLevel: ProtocolLevel;
  /**
   * Called for each message, in order; one function can serve all sessions. A message of QoS 1 is
   * acknowledged when it returns, or when its promise resolves; calls then overlap, at most 32. If
   * it throws or rejects, the session ends. The payload is a view: copy it to keep it for long.
   */
  readonly onPublish: (message: Publish, session: MqttClient) => void | Promise<void>;
  /** Default `DEFAULT_DECODER_LIMITS`. */
  readonly limits?: DecoderLimits;
}

export interface ConnectRequest extends Omit<ConnectFields, "protocolLevel"> {
  /** For the answer. Default 10,000. */
  readonly connectTimeoutMs?: number;
}

export interface RequestOptions {
  readonly qos: Exclude<QoS, 2>;
  /** Gives up waiting; what was sent stays sent. */
  readonly signal?: AbortSignal | undefined;
}

export interface PublishOptions extends RequestOptions {
  readonly properties?: Properties | undefined;
}

/** A session in the hands of whoever uses it. */
export interface MqttClient {
  /** True between an accepting CONNACK and the end. */
  readonly isOpen: boolean;
  /** Resolves when the stream is closed, for whatever reason; never rejects. */
  readonly closed: Promise<CloseReason>;
  /** QoS 1 resolves when the server acknowledged, in any case when the session ends. */
  publish(topic: string, payload: Uint8Array, options: PublishOptions): Promise<PublishOutcome>;
  /** Subscribes to `filters`, each with at most `qos`. */
  subscribe(filters: readonly string[], options: RequestOptions): Promise<SubscribeOutcome>;
  /** Says goodbye, so that the server drops the will, and closes. Resolves as `closed` does. */
  disconnect(): Promise<CloseReason>;
}
