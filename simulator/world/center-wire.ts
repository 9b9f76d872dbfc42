// SPDX-License-Identifier: Apache-2.0
/**
 * A gateway's connection to the center: the generated client over Connect's in-memory transport, so
 * every message is encoded and decoded as on a wire. Each message waits for the wire's delay, in
 * order. A cut ends what is open, on both sides at once, and refuses what is opened until it is
 * mended.
 */
import {
  Code,
  ConnectError,
  createClient,
  createRouterTransport,
  type Client,
  type ServiceImpl,
} from "@connectrpc/connect";
import { PEER } from "../../center/link/peer.ts";
import type { CenterConnection } from "../../gateway/uplink/center-client.ts";
import { delay, type Clock } from "../../ports/clock.ts";
import { GatewayLink } from "../../protocol/gen/muster/v1/gateway_pb.ts";

export class CenterWire {
  private readonly clock: Clock;
  private readonly delayMs: number;
  private readonly client: Client<typeof GatewayLink>;
  private readonly open = new Set<AbortController>();
  private isCut = false;

  constructor(options: {
    clock: Clock;
    delayMs: number;
    region: string;
    gateway: string;
    link: ServiceImpl<typeof GatewayLink>;
  }) {
    const { clock, delayMs, region, gateway, link } = options;
    this.clock = clock;
    this.delayMs = delayMs;
    const transport = createRouterTransport((router) => void router.service(GatewayLink, link), {
      router: {
        // In production the listener reads this from the certificate.
        interceptors: [
          (next) => (request) => {
            request.contextValues.set(PEER, { role: "gateway", region, gateway });
            return next(request);
          },
        ],
      },
    });
    this.client = createClient(GatewayLink, transport);
  }

  connect(): CenterConnection {
    const own = new AbortController();
    this.open.add(own);
    const { client } = this;
    const within = (signal?: AbortSignal): AbortSignal => {
      if (this.isCut) throw new ConnectError("the wire is cut", Code.Unavailable);
      return signal === undefined ? own.signal : AbortSignal.any([signal, own.signal]);
    };
    return {
      client: {
        connect: (requests, options) => {
          const signal = within(options?.signal);
          const sent = this.delayed(requests, signal);
          return this.delayed(client.connect(sent, { ...options, signal }), signal);
        },
        fetchArtifact: (request, options) =>
          client.fetchArtifact(request, { ...options, signal: within(options?.signal) }),
        fetchChunk: (request, options) =>
          client.fetchChunk(request, { ...options, signal: within(options?.signal) }),
        fetchTrust: async (request, options) => {
          const signal = within(options?.signal);
          await delay(this.clock, 2 * this.delayMs, signal);
          return await client.fetchTrust(request, { ...options, signal });
        },
      },
      close: () => {
        this.open.delete(own);
        own.abort();
      },
    };
  }

  cut(): void {
    this.isCut = true;
    for (const connection of this.open) connection.abort();
    this.open.clear();
  }

  mend(): void {
    this.isCut = false;
  }

  private async *delayed<Message>(
    messages: AsyncIterable<Message>,
    signal: AbortSignal,
  ): AsyncGenerator<Message> {
    for await (const message of messages) {
      await delay(this.clock, this.delayMs, signal);
      yield message;
    }
  }
}
