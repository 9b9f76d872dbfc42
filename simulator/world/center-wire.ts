// SPDX-License-Identifier: Apache-2.0
/**
 * A gateway's connection to the center: the generated client over Connect's in-memory transport, so
 * every message is encoded and decoded as on a wire. Messages arrive after the wire's delay, in
 * order. While it is cut nothing passes, and each side finds out after a while of its own; a center
 * that is down refuses at once.
 *
 * Blobs are not fetched over it: devices have them from a table.
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
import { delay } from "../../ports/clock.ts";
import {
  GatewayLink,
  type ConnectRequest,
  type ConnectResponse,
} from "../../protocol/gen/muster/v1/gateway_pb.ts";
import type { Life } from "./life.ts";
import { Mailbox } from "./mailbox.ts";
import { OneWay } from "./one-way.ts";

/** Who answers: a center that is up. */
export interface LinkedCenter {
  readonly life: Life;
  readonly link: ServiceImpl<typeof GatewayLink>;
}

/** What is sent on a stream: a message, or its end and with which error (null = none). */
type Sent<Message> = { readonly message: Message } | { readonly end: unknown };

type Way<Message> = OneWay<Sent<Message>>;

export interface CenterWireOptions {
  readonly gateway: Life;
  readonly identity: { readonly region: string; readonly gateway: string };
  readonly delayMs: () => number;
  /** How long a side takes to find out that the other one is silent. */
  readonly detectionMs: () => number;
  readonly isCut: () => boolean;
  /** Null = down. */
  readonly center: () => LinkedCenter | null;
}

export class CenterWire {
  private readonly options: CenterWireOptions;
  private readonly breaks = new Set<() => void>();

  constructor(options: CenterWireOptions) {
    this.options = options;
  }

  connect(): CenterConnection {
    const { gateway, delayMs } = this.options;
    const own = new AbortController();
    const within = (signal?: AbortSignal): AbortSignal =>
      signal === undefined ? own.signal : AbortSignal.any([signal, own.signal]);
    const noBlobs = (): never => {
      throw new ConnectError("this center has no blobs", Code.Unimplemented);
    };
    return {
      client: {
        connect: (requests, options) =>
          this.stream(requests as AsyncIterable<ConnectRequest>, within(options?.signal)),
        fetchArtifact: noBlobs,
        fetchChunk: noBlobs,
        // No device of a simulated world speaks CoAP.
        fetchOscoreKeys: noBlobs,
        fetchTrust: async (request, options) => {
          const signal = within(options?.signal);
          const center = this.reach();
          await delay(center.life, delayMs(), signal);
          const answer = await this.clientOf(center).fetchTrust(request, { signal });
          await delay(gateway, delayMs(), signal);
          return answer;
        },
      },
      close: () => own.abort(),
    };
  }

  /** The wire is silent from now on: both sides of what is open find out, sooner or later. */
  lose(): void {
    for (const breakStream of this.breaks) breakStream();
    this.breaks.clear();
  }

  private reach(): LinkedCenter {
    const center = this.options.center();
    if (center !== null && center.life.isAlive && !this.options.isCut()) return center;
    throw new ConnectError("the center does not answer", Code.Unavailable);
  }

  private clientOf({ link }: LinkedCenter): Client<typeof GatewayLink> {
    const peer = { role: "gateway", ...this.options.identity } as const;
    const transport = createRouterTransport((router) => void router.service(GatewayLink, link), {
      router: {
        // In production the listener reads this from the certificate.
        interceptors: [
          (next) => (request) => {
            request.contextValues.set(PEER, peer);
            return next(request);
          },
        ],
      },
    });
    return createClient(GatewayLink, transport);
  }

  private async *stream(
    requests: AsyncIterable<ConnectRequest>,
    signal: AbortSignal,
  ): AsyncGenerator<ConnectResponse> {
    const { gateway, delayMs, detectionMs } = this.options;
    const center = this.reach();
    let isLost = false;
    const common = { delayMs, isCut: (): boolean => isLost || this.options.isCut() };
    const taken = new Mailbox<ConnectRequest>();
    const given = new Mailbox<ConnectResponse>();
    const [from, to] = [gateway, center.life];
    const up: Way<ConnectRequest> = new OneWay({ ...common, from, to, deliver: into(taken) });
    const back = { ...common, from: to, to: from, deliver: into(given) };
    const down: Way<ConnectResponse> = new OneWay(back);
    const silent = new ConnectError("the other side is silent", Code.Unavailable);
    const lose = (): void => {
      isLost = true;
      gateway.setTimer(detectionMs(), () => given.close(silent));
      center.life.setTimer(detectionMs(), () => taken.close(silent));
    };
    this.breaks.add(lose);
    const forgetCenter = center.life.atDeath(() => {
      gateway.setTimer(delayMs(), () => given.close(silent));
    });
    const forgetGateway = gateway.atDeath(() => {
      center.life.setTimer(detectionMs(), () => taken.close(silent));
    });
    const leave = (): void => {
      up.send({ end: silent });
      given.close(signal.reason);
    };
    signal.addEventListener("abort", leave, { once: true });
    center.life.setTimer(delayMs(), () => void this.serve(center, taken, down));
    void pump(requests, up);
    try {
      yield* given.read();
    } finally {
      signal.removeEventListener("abort", leave);
      this.breaks.delete(lose);
      forgetCenter();
      forgetGateway();
    }
  }

  /** In the center's life. */
  private async serve(
    center: LinkedCenter,
    taken: Mailbox<ConnectRequest>,
    down: Way<ConnectResponse>,
  ): Promise<void> {
    await pump(this.clientOf(center).connect(taken.read()), down);
  }
}

function into<Message>(mailbox: Mailbox<Message>): (sent: Sent<Message>) => void {
  return (sent) => ("message" in sent ? mailbox.put(sent.message) : mailbox.close(sent.end));
}

/** Until the messages end, however they do. */
async function pump<Message>(messages: AsyncIterable<Message>, way: Way<Message>): Promise<void> {
  try {
    for await (const message of messages) way.send({ message });
    way.send({ end: null });
  } catch (error) {
    way.send({ end: error });
  }
}
