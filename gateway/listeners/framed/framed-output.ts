// SPDX-License-Identifier: Apache-2.0
/**
 * What a connection of framed TCP writes, and how it ends: with a goodbye, whatever the cause.
 * `FramedConnection` is one object with it.
 */
import type { GatewayFrame } from "../../../protocol/gen/muster/v1/framed_codec.ts";
import { encodeFrame, gatewayFrames, NO_GATEWAY_FRAME } from "../../../protocol/framed/frames.ts";
import type { PeerFacts } from "../../peer-certificate.ts";
import type { CloseCause } from "../../sessions/device-link.ts";
import { State, StreamOutput, type StreamOptions } from "../stream-output.ts";
import type { FramedContext } from "./framed-context.ts";
import { GOODBYE_REASONS } from "./goodbye-reasons.ts";

/** One for all: a frame is written at a time. */
const frames = gatewayFrames();

/** `peer` null: the certificate names nobody. */
export type FramedConnectionOptions = StreamOptions<FramedContext, PeerFacts | null>;

export class FramedOutput extends StreamOutput<FramedContext, PeerFacts | null> {
  /** `server`: `HOST:PORT` of the gateway to go to. */
  override close(cause: CloseCause, detail = "", server = ""): void {
    if (this.state === State.Closed) return;
    this.sayGoodbye(GOODBYE_REASONS[cause], detail, server);
    this.finish(cause);
  }

  /** The last frame, of a connection that has no slot too. */
  protected sayGoodbye(reason: number, detail: string, server = ""): void {
    const goodbye = { reason, detail, server };
    this.transport.write(encodeFrame(frames, { ...NO_GATEWAY_FRAME, goodbye }));
  }

  /** The device broke a rule: say which, and close. */
  protected violate(fault: string): void {
    this.logFault("connection closed for a protocol fault", { reason: fault });
    this.close("protocol", fault);
  }

  protected writeFrame(kind: Partial<GatewayFrame>): void {
    if (this.state === State.Closed) return;
    this.write(encodeFrame(frames, { ...NO_GATEWAY_FRAME, ...kind }));
  }
}
