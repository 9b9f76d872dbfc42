// SPDX-License-Identifier: Apache-2.0
/**
 * What has something to say to the center. The uplink pulls: it asks a source for its next message
 * only when the stream can take one, so a slow center costs no queue, and what changed twice in the
 * meantime goes up once.
 */
import type { ConnectRequest } from "../../protocol/gen/muster/v1/gateway_pb.ts";

/** One message to the center: the `kind` of a ConnectRequest. */
export type CenterMessage = Exclude<ConnectRequest["kind"], { case: undefined }>;

export interface UplinkSource {
  /** A stream was welcomed: begin with everything that the center must know. */
  linkOpened(): void;
  /** The stream is over; what was pulled may be lost. */
  linkLost(): void;
  /** What waits for a fuller batch may go now: the gateway shuts down. */
  hurry(): void;
  /** The next message, or null when there is none yet. Asked only while a stream is open. */
  next(): CenterMessage | null;
}

/** A source calls it when `next` may have become non-null. Cheap, and may be called any time. */
export type WakeUplink = () => void;
