// SPDX-License-Identifier: Apache-2.0
/**
 * The command line's side of DeployService: Connect over HTTP/1.1, plain on this machine, TLS with
 * the pinned authority elsewhere. Every failure leaves here as a MusterError (client-errors.ts).
 */
import { createClient, type Client, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { DeployService } from "../protocol/gen/muster/v1/deploy_pb.ts";
import { translatingTransport } from "./client-errors.ts";
import { requireToken, resolveConnection, type Connection } from "./connection.ts";
import type { ConnectionOptions } from "./options.ts";
import type { Shell } from "./shell.ts";

export type DeployClient = Client<typeof DeployService>;

/** Largest answer that is read: 1,000 devices with full inventories are about 20 MiB. */
const MAX_ANSWER_BYTES = 64 * 1_048_576;

export interface Session {
  readonly client: DeployClient;
  readonly connection: Connection;
  readonly tenant: string;
  /** Options of every call: it ends when the person interrupts. */
  readonly call: { readonly signal: AbortSignal };
  /** The `mutation` of a change: a fresh idempotency key, and why it is made. */
  readonly mutation: (reason?: string) => { idempotencyKey: string; reason: string };
}

/** Resolves the connection and opens a client; contacts nobody yet. */
export async function openSession(shell: Shell, options: ConnectionOptions): Promise<Session> {
  const connection = await resolveConnection(shell, options);
  const token = await requireToken(connection, shell.environment);
  return createSession({ shell, connection: { ...connection, token } });
}

/** A session over a known connection. */
export function createSession(options: {
  shell: Pick<Shell, "random" | "interrupt">;
  connection: Connection;
}): Session {
  const { shell, connection } = options;
  const authorize: Interceptor = (next) => (request) => {
    if (connection.token !== null) {
      request.header.set("authorization", `Bearer ${connection.token}`);
    }
    return next(request);
  };
  const transport = createConnectTransport({
    baseUrl: connection.server,
    httpVersion: "1.1",
    interceptors: [authorize],
    readMaxBytes: MAX_ANSWER_BYTES,
    ...(connection.caPem === null ? {} : { nodeOptions: { ca: connection.caPem } }),
  });
  return {
    client: createClient(DeployService, translatingTransport(transport, connection.server)),
    connection,
    tenant: connection.tenant,
    call: { signal: shell.interrupt.signal },
    mutation: (reason = "") => ({
      idempotencyKey: Buffer.from(shell.random.bytes(16)).toString("hex"),
      reason,
    }),
  };
}
