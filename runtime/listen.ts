// SPDX-License-Identifier: Apache-2.0
/** Opens a listener, with one clear error when the port is taken or may not be used. */
import type { Server } from "node:net";
import { MusterError } from "../domain/errors.ts";

/**
 * Resolves with the port that was bound (`port` 0 takes a free one). `reusePort`: others may listen
 * on it as well, and the system shares connections out among them.
 */
export function listen(
  server: Server,
  options: { what: string; host: string; port: number; backlog?: number; reusePort?: boolean },
): Promise<number> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      reject(listenError(options, error));
    };
    server.once("error", onError);
    const backlog = options.backlog ?? 4_096; // a storm of devices connects at once
    const { host, reusePort = false } = options;
    server.listen({ host, port: options.port, backlog, reusePort }, () => {
      server.off("error", onError);
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : options.port);
    });
  });
}

export function listenError(
  options: { what: string; host: string; port: number },
  error: NodeJS.ErrnoException,
): MusterError {
  const where = `${options.host}:${options.port}`;
  if (error.code === "EADDRINUSE") {
    return new MusterError({
      code: "failed_precondition",
      message: `cannot open ${options.what} on ${where}: the port is taken by another process`,
      detail: { hint: "stop that process or choose another port" },
    });
  }
  if (error.code === "EACCES") {
    return new MusterError({
      code: "permission_denied",
      message: `cannot open ${options.what} on ${where}: this user may not use that port`,
      detail: { hint: "choose a port above 1023 or grant CAP_NET_BIND_SERVICE" },
    });
  }
  if (error.code === "ENOTSUP") {
    return new MusterError({
      code: "failed_precondition",
      message: `cannot open ${options.what} on ${where}: no two processes can share a port here`,
      detail: { hint: "run the gateway without --workers" },
    });
  }
  const isForeign = error.code === "EADDRNOTAVAIL" || error.code === "ENOTFOUND";
  const wrong = isForeign ? "this machine has no such address" : (error.code ?? "unknown error");
  return new MusterError({
    code: "failed_precondition",
    message: `cannot open ${options.what} on ${where}: ${wrong}`,
    detail: { hint: "check the address: it must belong to this machine" },
    cause: error,
  });
}
