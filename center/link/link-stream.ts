// SPDX-License-Identifier: Apache-2.0
/**
 * The center's end of one gateway's stream: what waits to be sent, bounded. A gateway that does not
 * read is cut off: it comes back and is told everything anew.
 */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  ConnectResponseSchema,
  type ConnectResponse,
} from "../../protocol/gen/muster/v1/gateway_pb.ts";

type Kind = NonNullable<MessageInitShape<typeof ConnectResponseSchema>["kind"]>;

/** Messages, not bytes: the largest is a lease of 1,000 offers, about 1 MiB. */
const MAX_WAITING = 4_096;

export class LinkStream {
  readonly gateway: string;
  readonly gatewayNumber: number;
  /** What the gateway understands (`GatewayHello.link_version`). */
  readonly linkVersion: number;
  private readonly waiting: ConnectResponse[] = [];
  private wake: (() => void) | null = null;
  private ended = false;

  constructor(gateway: string, gatewayNumber: number, linkVersion = 0) {
    this.linkVersion = linkVersion;
    this.gateway = gateway;
    this.gatewayNumber = gatewayNumber;
  }

  /** False when the stream is over, or is ended because the gateway reads too slowly. */
  send(kind: Kind): boolean {
    if (this.ended) return false;
    if (this.waiting.length >= MAX_WAITING) {
      this.end();
      return false;
    }
    this.waiting.push(create(ConnectResponseSchema, { kind }));
    this.wake?.();
    return true;
  }

  end(): void {
    this.ended = true;
    this.wake?.();
  }

  get isEnded(): boolean {
    return this.ended;
  }

  /** What is to be sent, until the stream ends. */
  async *outgoing(): AsyncGenerator<ConnectResponse> {
    for (;;) {
      const next = this.waiting.shift();
      if (next !== undefined) {
        yield next;
      } else if (this.ended) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
        this.wake = null;
      }
    }
  }
}
