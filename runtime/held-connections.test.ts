// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { describe, test, type TestContext } from "node:test";
import { until } from "../test/helpers/until.ts";
import { holdConnections, type HeldFrom } from "./held-connections.ts";
import { listen } from "./listen.ts";

interface Held {
  readonly from: HeldFrom;
  readonly begin: () => void;
  readonly refuse: () => void;
}

interface Bench {
  readonly server: Server;
  readonly port: number;
  readonly held: Held[];
  readonly begun: Socket[];
  /** Connects, and resolves when the connection is held. */
  readonly come: () => Promise<Socket>;
}

async function bench(t: TestContext): Promise<Bench> {
  const server = createServer({ pauseOnConnect: true });
  const held: Held[] = [];
  const begun: Socket[] = [];
  server.on("connection", (socket) => void begun.push(socket));
  const isHolding = holdConnections(server, (from, begin, refuse) => {
    held.push({ from, begin, refuse });
  });
  assert.equal(isHolding, true, "the pinned runtime is a tested one");
  const port = await listen(server, { what: "a test", host: "127.0.0.1", port: 0 });
  t.after(() => {
    for (const socket of begun) socket.destroy();
    server.close();
  });
  return {
    server,
    port,
    held,
    begun,
    come: async () => {
      const count = held.length;
      const client = connect({ port, host: "127.0.0.1" });
      client.on("error", () => {});
      t.after(() => client.destroy());
      const wait = { timeoutMs: 5_000, signal: t.signal };
      await until("it is held", async () => held.length > count, wait);
      return client;
    },
  };
}

describe("a connection that is held", () => {
  test("is no socket, and loses nothing of what was sent meanwhile", async (t) => {
    const { held, begun, come } = await bench(t);
    const client = await come();
    client.write("hello");
    assert.equal(begun.length, 0);
    assert.deepEqual(held[0]?.from, { remoteAddress: "127.0.0.1", remoteFamily: "IPv4" });
    held[0].begin();
    const [socket] = begun;
    assert(socket !== undefined);
    socket.resume();
    const [bytes] = (await once(socket, "data")) as [Buffer];
    assert.equal(bytes.toString(), "hello");
  });

  test("is closed when it is refused", async (t) => {
    const { held, begun, come } = await bench(t);
    const client = await come();
    client.resume();
    held[0]?.refuse();
    await once(client, "close");
    assert.equal(begun.length, 0);
  });

  test("is closed when it begins where nobody listens, and held when somebody does", async (t) => {
    const { server, port, held, begun, come } = await bench(t);
    const client = await come();
    client.resume();
    server.close();
    held[0]?.begin();
    await once(client, "close");
    assert.equal(begun.length, 0);
    await listen(server, { what: "a test", host: "127.0.0.1", port });
    await come();
    assert.equal(begun.length, 0);
    held[1]?.begin();
    assert.equal(begun.length, 1);
  });

  test("begins when the server has paused meanwhile and listens again", async (t) => {
    const { server, port, held, begun, come } = await bench(t);
    const client = await come();
    server.close();
    await listen(server, { what: "a test", host: "127.0.0.1", port });
    held[0]?.begin();
    assert.equal(begun.length, 1);
    client.write("hello");
    const [socket] = begun;
    assert(socket !== undefined);
    socket.resume();
    const [bytes] = (await once(socket, "data")) as [Buffer];
    assert.equal(bytes.toString(), "hello");
  });
});
