// SPDX-License-Identifier: Apache-2.0
/** A `postgres://` URL, checked, and its server as messages and logs name it. */
import { userInfo } from "node:os";
import { MusterError } from "../../domain/errors.ts";

const SCHEMES: ReadonlySet<string> = new Set(["postgres:", "postgresql:"]);
const DEFAULT_PORT = "5432";

/** Where a store is. It has the password of the URL: never log it. */
export interface ServerAddress {
  readonly url: string;
  /** `host:port/database`, for people. */
  readonly name: string;
}

/** Throws `invalid_argument`: what is wrong, without the URL, which may hold a password. */
export function parseServerAddress(url: string): ServerAddress {
  const parsed = URL.parse(url);
  if (parsed === null) throw wrong("it is no URL");
  if (!SCHEMES.has(parsed.protocol)) throw wrong(`its scheme is ${parsed.protocol}`);
  const { hostname, port, username, pathname, searchParams } = parsed;
  const host = searchParams.get("host") ?? decodeURIComponent(hostname);
  if (host === "") throw wrong("it names no host");
  // As the driver and libpq have it: the database of the user's name, of the system user's.
  const user = decodeURIComponent(username) || userInfo().username;
  const database = decodeURIComponent(pathname.slice(1)) || user;
  return { url, name: `${host}:${port || DEFAULT_PORT}/${database}` };
}

function wrong(what: string): MusterError {
  return new MusterError({
    code: "invalid_argument",
    message: `cannot use the URL of the store: ${what}`,
    detail: { hint: "write postgres://USER@HOST:PORT/DATABASE, and its password in PGPASSWORD" },
  });
}
