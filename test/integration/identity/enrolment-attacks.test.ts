// SPDX-License-Identifier: Apache-2.0
/** Enrolment against somebody in the middle, and against itself at the same instant. */
import assert from "node:assert/strict";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import type { TestContext } from "node:test";
import { enrolInMemory } from "../../../agent/trust/enrol.ts";
import { certificateRequest, generateDeviceKey } from "../../../agent/trust/key-and-request.ts";
import { readCertificateRequest } from "../../../center/identity/certificate-request.ts";
import { Enrolment } from "../../../center/identity/enrolment.ts";
import { pkcs7Answer } from "../../../center/identity/est-messages.ts";
import type { Store } from "../../../ports/store.ts";
import { startCenter, toCenter } from "./center-fixture.ts";
import type { CenterFixture } from "./center-fixture.ts";

/**
 * A listener with this certificate that shows the real CA and writes down what else it is asked.
 */
async function startImpostor(
  context: TestContext,
  center: CenterFixture,
  identity: { cert: string; key: string },
): Promise<{ enrolmentUrl: string; asked: string[] }> {
  const asked: string[] = [];
  const { authority } = center;
  const authorities = pkcs7Answer(authority.pkcs7([authority.caDer]));
  const server = createServer({ ...identity, minVersion: "TLSv1.3" }, (request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.writeHead(200, authorities.headers).end(authorities.body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { enrolmentUrl: `https://127.0.0.1:${port}`, asked };
}

describe("somebody in the middle who shows the right CA", () => {
  it("never sees the token, be it a gateway with a good certificate", async (context) => {
    const center = await startCenter(context);
    const key = generateDeviceKey();
    const request = await readCertificateRequest(Buffer.from(await certificateRequest(key)));
    const gateway = await center.authority.issueGateway({
      request,
      region: "north",
      gateway: "gw-1",
      hosts: ["127.0.0.1"],
    });
    const cert = gateway.certificatePem;
    const impostor = await startImpostor(context, center, { cert, key });
    const token = await center.token("press-04");
    const { enrolmentUrl } = impostor;
    await assert.rejects(enrolInMemory({ ...toCenter(center), enrolmentUrl, token }), {
      code: "untrusted",
      message: "the certificate of the center is that of a gateway, not of a center",
    });
    assert.deepEqual(impostor.asked, ["GET /.well-known/est/cacerts"]);
  });

  it("never sees the token, be it the center of another installation", async (context) => {
    const center = await startCenter(context);
    const other = await startCenter(context);
    const { cert, key } = other.serverCertificate.tlsOptions;
    const impostor = await startImpostor(context, center, { cert, key });
    const token = await center.token("press-04");
    const { enrolmentUrl } = impostor;
    await assert.rejects(enrolInMemory({ ...toCenter(center), enrolmentUrl, token }), {
      code: "untrusted",
      message: /^the certificate of the center was not issued by this installation's/,
    });
    assert.deepEqual(impostor.asked, ["GET /.well-known/est/cacerts"]);
  });
});

/** The store, in which everybody reads before anybody writes: the worst order there is. */
function readAllFirst(store: Store, readerCount: number): Store {
  let waiting = readerCount;
  let open = (): void => {};
  const everybodyHasRead = new Promise<void>((resolve) => {
    open = resolve;
  });
  return {
    commit: (commit, options) => store.commit(commit, options),
    getDocument: async (kind, key, options) => {
      const document = await store.getDocument(kind, key, options);
      waiting -= 1;
      if (waiting === 0) open();
      await everybodyHasRead;
      return document;
    },
  } as Store;
}

describe("redemptions of one token at the same instant", () => {
  async function redeemAll(center: CenterFixture, keys: readonly string[]): Promise<string[]> {
    const token = await center.token("press-04");
    const { authority, clock, signal } = center;
    const store = readAllFirst(center.store, keys.length);
    const enrolment = new Enrolment({ store, authority, clock });
    const results = await Promise.allSettled(
      keys.map(async (key) => {
        const requestBody = Buffer.from(await certificateRequest(key));
        return await enrolment.enrolWithToken({ token, requestBody, signal });
      }),
    );
    return results.map((result) => (result.status === "fulfilled" ? "" : String(result.reason)));
  }

  async function certificateCount(center: CenterFixture): Promise<number> {
    const { signal } = center;
    const options = { prefix: "default/", limit: 100, signal };
    return (await center.store.listDocuments("certificate", options)).length;
  }

  it("give one key a certificate and tell the others that it is used", async (context) => {
    const center = await startCenter(context);
    const keys = Array.from({ length: 4 }, () => generateDeviceKey());
    const refusals = (await redeemAll(center, keys)).filter((text) => text !== "");
    assert.equal(refusals.length, 3);
    for (const text of refusals) assert.match(text, /already used with another key/);
    assert.equal(await certificateCount(center), 1);
  });

  it("all succeed for one key, each with a certificate on record", async (context) => {
    const center = await startCenter(context);
    const key = generateDeviceKey();
    assert.deepEqual(await redeemAll(center, [key, key, key]), ["", "", ""]);
    assert.equal(await certificateCount(center), 3);
  });
});
