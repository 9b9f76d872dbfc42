// SPDX-License-Identifier: Apache-2.0
/**
 * Which HTTP proxy a connection of the agent goes through, if any: the one of `--proxy`, else that
 * of HTTPS_PROXY, unless NO_PROXY names the host. Names of variables in lower case win, as with
 * curl. There is no standard for NO_PROXY; what is read here is what curl and Go agree on. A
 * proxy of the environment is not for this machine itself, as with Go: none leads back to it.
 */
import { BlockList, isIP } from "node:net";
import { MusterError } from "../../domain/errors.ts";

export interface HttpProxy {
  readonly host: string;
  readonly port: number;
  /** `user:password`; null: it asks for none. */
  readonly credentials: string | null;
}

/** Null: the connection is made directly. */
export type ProxyFor = (target: { host: string; port: number }) => HttpProxy | null;

/** Of `--proxy`: whatever the environment says, there is none. */
export const NO_PROXY_AT_ALL = "none";

/** `option`: of `--proxy`. Throws `invalid_argument` for what is no proxy's address. */
export function readProxyRules(
  option: string | undefined,
  environment: { readonly [name: string]: string | undefined },
): ProxyFor {
  const read = (name: string): string =>
    environment[name.toLowerCase()]?.trim() || environment[name]?.trim() || "";
  const proxy =
    option === undefined
      ? parseProxyUrl(read("HTTPS_PROXY"), "HTTPS_PROXY")
      : parseProxyUrl(option === NO_PROXY_AT_ALL ? "" : option, "--proxy");
  if (proxy === null) return () => null;
  const isHere: Exception = ({ host }) => option === undefined && isLoopback(host);
  const words = read("NO_PROXY").split(/[\s,]+/);
  const exceptions = [isHere, ...words.filter((word) => word !== "").map(exception)];
  return (target) => (exceptions.some((covers) => covers(target)) ? null : proxy);
}

/** `http://HOST:PORT`, or with `USER:PASSWORD@`, percent-encoded; null for "". */
function parseProxyUrl(text: string, field: string): HttpProxy | null {
  if (text === "") return null;
  // As curl takes it.
  const url = /^[^/]+:\d+\/?$/.test(text) ? `http://${text}` : text;
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (parsed === null || parsed.protocol !== "http:" || parsed.pathname !== "/") {
    // Not the text itself: it may hold a password.
    throw new MusterError({
      code: "invalid_argument",
      message: "this is not the address of an HTTP proxy that the agent can use",
      detail: { field, hint: "give it as http://HOST:PORT or http://USER:PASSWORD@HOST:PORT" },
    });
  }
  const { username, password, hostname, port } = parsed;
  return {
    host: hostname.replaceAll(/^\[|\]$/g, ""),
    port: port === "" ? 80 : Number(port),
    credentials: username === "" ? null : `${decoded(username)}:${decoded(password)}`,
  };
}

/** Percent-encoded text, or the text itself where it is not that. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function isLoopback(host: string): boolean {
  return host.toLowerCase() === "localhost" || /^(?:127\.[\d.]+|::1)$/.test(host);
}

type Exception = (target: { host: string; port: number }) => boolean;

/** One word of NO_PROXY; what cannot be read is a name that no host has. */
function exception(entry: string): Exception {
  if (entry === "*") return () => true;
  const network = addresses(entry);
  if (network !== null) {
    return ({ host }) =>
      isIP(host) !== 0 && network.check(host, isIP(host) === 4 ? "ipv4" : "ipv6");
  }
  const [, name = "", port] = /^(.*?)(?::(\d{1,5}))?$/.exec(entry) ?? [];
  const plain = name.replaceAll(/^\[|\]$/g, "").toLowerCase();
  const isBelowOnly = plain.startsWith(".") || plain.startsWith("*.");
  const domain = plain.replace(/^\*?\./, "");
  return (target) => {
    if (port !== undefined && Number(port) !== target.port) return false;
    const host = target.host.toLowerCase();
    return (host === domain && !isBelowOnly) || host.endsWith(`.${domain}`);
  };
}

/** An address or a block of them (`10.0.0.0/8`); null: the text is neither. */
function addresses(text: string): BlockList | null {
  const [address = "", prefix, ...rest] = text.split("/");
  const version = isIP(address);
  const bits = version === 4 ? 32 : 128;
  const prefixBits = prefix === undefined ? bits : Number(prefix);
  const isBlock = /^\d{0,3}$/.test(prefix ?? "") && prefixBits <= bits;
  if (version === 0 || rest.length > 0 || prefix === "" || !isBlock) return null;
  const list = new BlockList();
  list.addSubnet(address, prefixBits, version === 4 ? "ipv4" : "ipv6");
  return list;
}
