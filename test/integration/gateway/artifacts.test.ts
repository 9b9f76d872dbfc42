// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { connect } from "node:net";
import { describe, test } from "node:test";
import { get, publishBlob, type Answer } from "./artifact-client.ts";
import { GatewayFixture } from "./gateway-fixture.ts";
import { waitUntil } from "./wait-until.ts";

describe("artifacts at a gateway", () => {
  test("a blob comes whole, in parts, and not at all when it is known", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const identity = await fixture.enrol("pump-1");
    const blob = randomBytes(300_000);
    const sha256 = publishBlob(fixture, blob);
    const path = `/artifacts/sha256/${sha256}`;
    const whole = await get(fixture, identity, path);
    assert.equal(whole.status, 200);
    assert.ok(whole.body.equals(blob));
    assert.equal(whole.headers["etag"], `"${sha256}"`);
    assert.equal(whole.headers["accept-ranges"], "bytes");
    const ask = (headers: Record<string, string>, method = "GET"): Promise<Answer> =>
      get(fixture, identity, path, { headers, method });
    const part = await ask({ range: "bytes=100000-199999" });
    assert.equal(part.status, 206);
    assert.equal(part.headers["content-range"], "bytes 100000-199999/300000");
    assert.ok(part.body.equals(blob.subarray(100_000, 200_000)));
    const tail = await ask({ range: "bytes=-10", "if-range": `"${sha256}"` });
    assert.ok(tail.status === 206 && tail.body.equals(blob.subarray(-10)));
    assert.equal((await ask({ range: "bytes=0-1", "if-range": '"other"' })).status, 200);
    const beyond = await ask({ range: "bytes=300000-" });
    assert.deepEqual([beyond.status, beyond.headers["content-range"]], [416, "bytes */300000"]);
    assert.equal((await ask({ "if-none-match": `"${sha256}"` })).status, 304);
    const head = await ask({}, "HEAD");
    assert.deepEqual([head.status, head.headers["content-length"]], [200, "300000"]);
    assert.equal(head.body.length, 0);
    assert.equal(fixture.center.fetchCount, 1);
  });

  test("many devices that ask at once cost one fetch", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const identity = await fixture.enrol("pump-1");
    const sha256 = publishBlob(fixture, randomBytes(200_000));
    const path = `/artifacts/sha256/${sha256}`;
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => get(fixture, identity, path)),
    );
    assert.ok(answers.every(({ status, body }) => status === 200 && body.length === 200_000));
    assert.equal(fixture.center.fetchCount, 1);
  });

  test("what is not there, not a digest or not a GET is answered as such", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const identity = await fixture.enrol("pump-1");
    const ask = async (path: string, method = "GET"): Promise<number> =>
      (await get(fixture, identity, path, { method })).status;
    assert.equal(await ask(`/artifacts/sha256/${"0".repeat(64)}`), 404);
    assert.equal(await ask("/artifacts/sha256/../../etc/passwd"), 404);
    assert.equal(await ask(`/artifacts/sha256/${"A".repeat(64)}`), 400);
    assert.equal(await ask("/tuf/..%2Fleases.json"), 404);
    assert.equal(await ask("/"), 404);
    assert.equal(await ask(`/artifacts/sha256/${"0".repeat(64)}`, "DELETE"), 405);
  });

  test("bytes with another digest are never served", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const identity = await fixture.enrol("pump-1");
    const sha256 = publishBlob(fixture, Buffer.from("good"));
    fixture.center.artifacts.set(sha256, Buffer.from("evil"));
    const path = `/artifacts/sha256/${sha256}`;
    assert.equal((await get(fixture, identity, path)).status, 502);
    fixture.center.artifacts.set(sha256, Buffer.from("good"));
    assert.equal((await get(fixture, identity, path)).body.toString(), "good");
    assert.deepEqual(await readdir(fixture.folder.join("data", "cache", "incoming")), []);
  });

  test("the cache keeps to its size and serves while the center is away", async (context) => {
    const fixture = await GatewayFixture.start(context, { cacheBytes: 250_000 });
    const identity = await fixture.enrol("pump-1");
    const paths = [1, 2, 3].map(
      () => `/artifacts/sha256/${publishBlob(fixture, randomBytes(100_000))}`,
    );
    for (const path of paths) assert.equal((await get(fixture, identity, path)).status, 200);
    assert.equal(await fixture.metric("artifact_cache_bytes"), 200_000);
    const tooLarge = publishBlob(fixture, randomBytes(300_000));
    assert.equal((await get(fixture, identity, `/artifacts/sha256/${tooLarge}`)).status, 507);
    await fixture.center.kill();
    assert.equal((await get(fixture, identity, paths[2] as string)).status, 200);
    const gone = await get(fixture, identity, paths[0] as string);
    assert.equal(gone.status, 503);
    assert.match(String(gone.headers["retry-after"]), /^\d+$/);
  });

  test("a restarted gateway knows what it has", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const identity = await fixture.enrol("pump-1");
    const path = `/artifacts/sha256/${publishBlob(fixture, randomBytes(50_000))}`;
    await get(fixture, identity, path);
    await fixture.gateway.stop();
    await fixture.startGateway();
    assert.equal((await get(fixture, identity, path)).status, 200);
    assert.equal(fixture.center.fetchCount, 1);
  });

  test("trust metadata follows the center, and outlives it", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const identity = await fixture.enrol("pump-1");
    const trust = (text: string): { name: string; data: Uint8Array }[] => [
      { name: "1.root.json", data: Buffer.from("{}") },
      { name: "timestamp.json", data: Buffer.from(text) },
    ];
    const served = async (): Promise<string> =>
      (await get(fixture, identity, "/tuf/timestamp.json")).body.toString();
    fixture.center.trustFiles = trust("first");
    const value = { $typeName: "muster.v1.TrustChanged" as const, targetsVersion: 2 };
    fixture.center.send({ case: "trustChanged", value });
    let text = "";
    const isServed = (wanted: string) => (): boolean => {
      void served().then((body) => {
        text = body;
      });
      return text === wanted;
    };
    await waitUntil("the first metadata is served", isServed("first"));
    fixture.center.trustFiles = trust("second");
    fixture.center.send({ case: "trustChanged", value });
    await waitUntil("the second metadata is served", isServed("second"));
    await fixture.gateway.stop();
    await fixture.center.kill();
    await fixture.startGateway();
    assert.equal(await served(), "second");
    assert.equal((await get(fixture, identity, "/tuf/9.targets.json")).status, 404);
  });

  test("a connection in the middle of its handshake does not hold a stop up", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const socket = connect({ host: "127.0.0.1", port: fixture.gateway.artifactsPort });
    context.after(() => socket.destroy());
    const closed = once(socket, "close");
    await once(socket, "connect");
    const identity = await fixture.enrol("pump-1");
    // Answered behind it: the gateway has accepted both.
    await get(fixture, identity, "/tuf/timestamp.json");
    let isStopped = false;
    void fixture.gateway.stop().then(() => (isStopped = true));
    await waitUntil("the gateway has stopped", () => isStopped, 5_000);
    await closed;
  });

  test("without a device's certificate there are no artifacts", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const sibling = await fixture.authority.gateway("eu", "gw-2");
    assert.equal((await get(fixture, sibling, "/tuf/timestamp.json")).status, 403);
    const nobody = { key: "", cert: "", ca: fixture.authority.ca };
    await assert.rejects(get(fixture, nobody, "/tuf/timestamp.json"));
  });
});
