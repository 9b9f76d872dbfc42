// SPDX-License-Identifier: Apache-2.0
/**
 * A TCP proxy in front of a PostgreSQL server that cuts a connection at the moment of its COMMIT:
 * before the server hears of it, or after the server has answered and before the client hears it.
 */
import { createServer, connect, type Server, type Socket } from "node:net";
import { freePort } from "../../../scripts/servers/server.ts";

/** `before`: the server never gets the COMMIT. `after`: its answer never arrives. */
export type Cut = "before" | "after";

export interface CutProxy extends AsyncDisposable {
  readonly port: number;
  /** The next COMMIT is cut so; with `forGood` nobody gets through any more afterwards. */
  cutNext(cut: Cut, forGood?: boolean): void;
  readonly cutCount: number;
}

/** The driver's simple query: type, length, text. */
const COMMIT = Buffer.from("Q\0\0\0\u000bCOMMIT\0", "latin1");

export async function startCutProxy(target: { host: string; port: number }): Promise<CutProxy> {
  const proxy = new CuttingProxy(target, await freePort("127.0.0.1"));
  await proxy.listen();
  return proxy;
}

class CuttingProxy implements CutProxy {
  readonly port: number;
  cutCount = 0;
  readonly #target: { host: string; port: number };
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #next: { cut: Cut; forGood: boolean } | null = null;
  #isShut = false;

  constructor(target: { host: string; port: number }, port: number) {
    this.#target = target;
    this.port = port;
    this.#server = createServer((client) => this.#serve(client));
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(this.port, "127.0.0.1", resolve));
  }

  cutNext(cut: Cut, forGood = false): void {
    this.#next = { cut, forGood };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(client: Socket): void {
    if (this.#isShut) {
      client.destroy();
      return;
    }
    const server = connect(this.#target);
    let isAnswerLost = false;
    const end = (): void => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on("error", end);
      socket.on("close", end);
    }
    client.on("data", (bytes: Buffer) => {
      const order = bytes.includes(COMMIT) ? this.#next : null;
      if (order !== null) {
        this.#next = null;
        this.cutCount += 1;
        this.#isShut = order.forGood;
        if (order.cut === "before") return end();
        isAnswerLost = true;
      }
      server.write(bytes);
    });
    server.on("data", (bytes) => {
      if (isAnswerLost) end();
      else client.write(bytes);
    });
  }
}
