// SPDX-License-Identifier: Apache-2.0
/**
 * Which center a command talks to, as whom, for which tenant. In this order: the command's options,
 * the environment (MUSTER_SERVER, MUSTER_TOKEN, MUSTER_TENANT), the saved login, the default
 * address on this machine.
 *
 * The saved token and authority belong to the saved address: they are not sent to another center
 * that an option or the environment names.
 */
import { access } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { MusterError } from "../domain/errors.ts";
import { checkTenant, DEFAULT_TENANT } from "../domain/identity.ts";
import { contextPath, isExposed, readContext } from "./context.ts";
import { MAX_SECRET_BYTES, readBounded } from "./files.ts";
import type { ConnectionOptions } from "./options.ts";
import { note, type Shell } from "./shell.ts";

/** Where a center on this machine listens unless told otherwise. */
export const DEFAULT_SERVER = "http://127.0.0.1:7070";

export interface Connection {
  /** Without a trailing slash. */
  readonly server: string;
  /** null = none was found: `requireToken` says what to do. */
  readonly token: string | null;
  readonly caPem: string | null;
  readonly tenant: string;
}

/** Reads options, environment and the saved login; contacts nobody. */
export async function resolveConnection(
  shell: Pick<Shell, "environment" | "stderr">,
  options: ConnectionOptions,
): Promise<Connection> {
  const { environment } = shell;
  const path = contextPath(environment);
  const saved = await readContext(path);
  if (saved !== null && (await isExposed(path))) {
    note(shell, `warning: others can read ${path}; run: chmod 600 ${path}`);
  }
  const named = options.server ?? nonEmpty(environment["MUSTER_SERVER"]);
  const server = normalizeServer(named ?? saved?.server ?? DEFAULT_SERVER);
  const trusted = saved !== null && normalizeServer(saved.server) === server ? saved : null;

  const tenant =
    options.tenant ?? nonEmpty(environment["MUSTER_TENANT"]) ?? saved?.tenant ?? DEFAULT_TENANT;
  checkTenant(tenant, "--tenant");
  const token = await givenToken(shell, options);
  const caPem = options.caFile === undefined ? null : await readPem(options.caFile);
  return {
    server,
    token: token ?? trusted?.token ?? null,
    caPem: caPem ?? trusted?.caPem ?? null,
    tenant,
  };
}

/** The token, or `unauthenticated` with the way to get one. */
export async function requireToken(
  connection: Connection,
  environment: Shell["environment"],
): Promise<string> {
  if (connection.token !== null) return connection.token;
  const local = localTokenFile(environment);
  const isLocal = isLoopback(connection.server) && (await exists(local));
  throw new MusterError({
    code: "unauthenticated",
    message: `no operator token is known for ${connection.server}`,
    detail: {
      hint: isLocal
        ? `log in: muster login ${connection.server} --token-file ${local}`
        : `log in: muster login ${connection.server} --token-file FILE`,
    },
  });
}

/** Where a center of this user keeps its data unless told otherwise. */
export function defaultCenterFolder(environment: Shell["environment"]): string {
  const home = environment["HOME"] ?? homedir();
  const data = nonEmpty(environment["XDG_DATA_HOME"]) ?? join(home, ".local", "share");
  return join(data, "muster", "center");
}

function localTokenFile(environment: Shell["environment"]): string {
  return join(defaultCenterFolder(environment), "operator", "token");
}

/** Checks and trims an address. Throws `invalid_argument`. */
export function normalizeServer(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw badServer(text, "is not an address like http://127.0.0.1:7070 or https://center:7070");
  }
  if (url.protocol === "http:" && !isLoopback(text)) {
    throw badServer(text, "is not on this machine, so it must be https: a token would be readable");
  }
  return `${url.protocol}//${url.host}${url.pathname.replace(/\/+$/, "")}`;
}

/** Whether an address is on this machine. */
export function isLoopback(server: string): boolean {
  const { hostname } = new URL(server);
  return hostname === "localhost" || hostname === "[::1]" || /^127\.[\d.]+$/.test(hostname);
}

function badServer(text: string, problem: string): MusterError {
  return new MusterError({
    code: "invalid_argument",
    message: `${JSON.stringify(text)} ${problem}`,
    detail: { field: "--server" },
  });
}

async function givenToken(
  shell: Pick<Shell, "environment">,
  options: ConnectionOptions,
): Promise<string | null> {
  if (options.tokenFile === undefined) return nonEmpty(shell.environment["MUSTER_TOKEN"]) ?? null;
  const bytes = await readBounded(options.tokenFile, {
    attempted: "reading the operator token",
    maxBytes: MAX_SECRET_BYTES,
  });
  return checkToken(bytes.toString("utf8").trim(), options.tokenFile);
}

/** A token is one word: it becomes an HTTP header. */
export function checkToken(token: string, file: string): string {
  if (/^[\u0021-\u007e]{1,4096}$/.test(token)) return token;
  throw new MusterError({
    code: "invalid_argument",
    message: "the file does not hold one operator token",
    detail: { file },
  });
}

/** A PEM file with at least one certificate. */
export async function readPem(file: string): Promise<string> {
  const bytes = await readBounded(file, {
    attempted: "reading the authority's certificate",
    maxBytes: MAX_SECRET_BYTES,
  });
  const text = bytes.toString("utf8");
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  throw new MusterError({
    code: "invalid_argument",
    message: "the file holds no PEM certificate",
    detail: { file },
  });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}
