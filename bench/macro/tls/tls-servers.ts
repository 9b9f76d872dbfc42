// SPDX-License-Identifier: Apache-2.0
/** The two servers of the bench. */
import { centerIdentity, openBenchAuthority } from "../gateway/bench-authority.ts";
import { startMuster } from "../gateway/muster-server.ts";
import type { ServerOptions } from "../gateway/server.ts";
import { benchFile, endProcess, startSpoken } from "../gateway/tools.ts";

export interface TlsServer extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
}

export interface TlsServerKind {
  readonly name: string;
  start(options: ServerOptions): Promise<TlsServer>;
}

export const musterTls: TlsServerKind = {
  name: "muster",
  start: async (options) => {
    const server = await startMuster(options);
    return {
      pid: server.pid,
      port: server.tlsPort,
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  },
};

export const bareTls: TlsServerKind = {
  name: "bare Node",
  start: async ({ folder }) => {
    const identity = await centerIdentity(await openBenchAuthority(folder));
    const words = [benchFile("../tls/bare-tls-main.ts"), JSON.stringify(identity)];
    const { child, port } = await startSpoken(process.execPath, words);
    return { pid: child.pid ?? 0, port, [Symbol.asyncDispose]: () => endProcess(child) };
  },
};
