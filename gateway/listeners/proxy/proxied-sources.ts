// SPDX-License-Identifier: Apache-2.0
/**
 * Load balancers in front of a listener. A connection from one of their networks must begin with a
 * PROXY header; one from anywhere else must not, and is taken as what it is. So nobody but a
 * balancer can claim to be another address, and nothing is guessed ("The PROXY protocol" §2: "the
 * receiver MUST be configured to only receive the protocol").
 */
import { BlockList, isIP, type Server, type Socket } from "node:net";
import { MusterError } from "../../../domain/errors.ts";
import type { Logger } from "../../../ports/logger.ts";
import type { HeldFrom } from "../../../runtime/held-connections.ts";
import { beforeConnection } from "../before-connection.ts";
import { parseProxyHeader } from "./proxy-header.ts";

/** A balancer sends its header at once. */
const HEADER_TIMEOUT_MS = 5_000;

/** What of a socket tells connections apart; a TLS socket has that of its TCP connection. */
interface Peer {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}

export class ProxiedSources {
  readonly #balancers: BlockList | null;
  readonly #logger: Logger;
  /** By the balancer's end of the connection, as long as that is open. */
  readonly #sources = new Map<string, string>();

  /** `networks`: addresses or CIDR blocks of load balancers. Throws `invalid_argument`. */
  constructor(networks: readonly string[], logger: Logger) {
    this.#balancers = networks.length === 0 ? null : blockList(networks);
    this.#logger = logger;
  }

  /** Puts the header before the TLS handshake of each connection that comes from a balancer. */
  expectOn(server: Server): void {
    if (this.#balancers === null) return;
    beforeConnection(server, (socket, begin) => {
      if (this.isBalancer(socket)) this.#readHeader(socket, begin);
      else begin();
    });
  }

  /** Whether a connection comes from a balancer, who speaks for others. */
  isBalancer({ remoteAddress = "", remoteFamily }: HeldFrom): boolean {
    const family = remoteFamily === "IPv6" ? "ipv6" : "ipv4";
    return this.#balancers?.check(remoteAddress, family) === true;
  }

  /** `address:port` of the client behind a connection. */
  addressOf(peer: Peer): string {
    const direct = keyOf(peer);
    return this.#sources.get(direct) ?? direct;
  }

  #readHeader(socket: Socket, begin: () => void): void {
    const key = keyOf(socket);
    const refuse = (reason: string): void => {
      this.#logger.warn("connection of a load balancer refused", { reason, balancer: key });
      socket.destroy();
    };
    const onTimeout = (): void => refuse(`no whole PROXY header in ${HEADER_TIMEOUT_MS} ms`);
    let head: Buffer = Buffer.alloc(0);
    const onReadable = (): void => {
      const bytes = socket.read() as Buffer | null;
      if (bytes === null) return;
      // One that is too long is a fault at MAX_HEADER_BYTES and one read more: bounded by that.
      head = head.length === 0 ? bytes : Buffer.concat([head, bytes]);
      const header = parseProxyHeader(head);
      if (header === "more") return;
      if ("fault" in header) return refuse(header.fault);
      socket.setTimeout(0);
      socket.off("readable", onReadable).off("timeout", onTimeout).off("error", onError);
      const { source, lengthBytes } = header;
      if (source !== null) this.#remember(socket, key, source);
      socket.unshift(head.subarray(lengthBytes));
      begin();
    };
    socket.setTimeout(HEADER_TIMEOUT_MS);
    socket.on("readable", onReadable).on("timeout", onTimeout).on("error", onError);
  }

  #remember(socket: Socket, key: string, source: string): void {
    this.#sources.set(key, source);
    socket.once("close", () => this.#sources.delete(key));
  }
}

/** A balancer that gives up is no event of its own: `close` follows. */
function onError(): void {}

function keyOf({ remoteAddress = "unknown", remotePort = 0 }: Peer): string {
  return remoteAddress.includes(":")
    ? `[${remoteAddress}]:${remotePort}`
    : `${remoteAddress}:${remotePort}`;
}

/** Of what `addressOf` says: the address, as a socket has it. */
export function hostOf(source: string): string {
  const host = source.slice(0, source.lastIndexOf(":"));
  return host.startsWith("[") ? host.slice(1, -1) : host;
}

function blockList(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = "", prefix, ...rest] = network.split("/");
    const version = isIP(address);
    const mostBits = version === 4 ? 32 : 128;
    const bits = prefix === undefined ? mostBits : Number(/^\d{1,3}$/.exec(prefix)?.[0] ?? NaN);
    if (version === 0 || rest.length > 0 || !(bits <= mostBits)) {
      throw new MusterError({
        code: "invalid_argument",
        message: `${JSON.stringify(network)} names no load balancer's address or network`,
        detail: { field: "proxies", hint: "give an address or a block, as 10.0.0.0/8" },
      });
    }
    list.addSubnet(address, bits, version === 4 ? "ipv4" : "ipv6");
  }
  return list;
}
