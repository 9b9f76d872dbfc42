// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdir, readFile, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { enrol, enrolInMemory, reenrol } from "../../../agent/trust/enrol.ts";
import { connectUntrusted, fetchDirectory, trustCenter } from "../../../agent/trust/est-client.ts";
import { IdentityFiles } from "../../../agent/trust/identity-files.ts";
import { WorkingTime } from "../../../agent/trust/working-time.ts";
import { certificateIdentity } from "../../../protocol/trust/certificate-identity.ts";
import { DAY_MS, deviceTime, DIRECTORY_GATEWAY, startCenter, toCenter } from "./center-fixture.ts";

describe("enrolment by our client", () => {
  it("turns a token into an identity on disk that the center has on record", async (context) => {
    const center = await startCenter(context);
    const directory = join(center.folder, "device");
    const token = await center.token("press-04");
    const enrolled = await enrol({ ...toCenter(center), token: `${token}\n`, directory });
    const certificate = new X509Certificate(enrolled.certPem);
    assert.deepEqual(certificateIdentity(certificate), {
      role: "device",
      tenant: "default",
      device: "press-04",
    });
    assert.deepEqual(await new IdentityFiles({ directory }).load(), {
      keyPem: enrolled.keyPem,
      certPem: enrolled.certPem,
      caPem: center.authority.certificate.toString(),
      root: center.trust.rootFile(1),
    });
    const { mode } = await stat(join(directory, "identity/key.pem"));
    assert.equal(mode & 0o777, 0o600);

    const key = `default/${certificate.serialNumber.toLowerCase()}`;
    const record = await center.store.getDocument("certificate", key, center);
    assert.equal((record!.value as { uri: string }).uri, "muster://default/press-04");
    const { entries } = await center.store.listAudit({
      tenant: "default",
      afterSequence: 0,
      limit: 10,
      signal: center.signal,
    });
    const [entry] = entries;
    assert.equal(entry?.action, "certificate.issue");
    assert.equal(entry?.actor, "device:press-04");
    assert.equal(entry?.subject, `certificate/${key}`);
  });

  it("gives a gateway its hosts", async (context) => {
    const center = await startCenter(context);
    const hosts = ["gw.example.com", "10.1.2.3"];
    const grant = { role: "gateway", scope: "north", id: "gw-1", hosts } as const;
    const token = await center.token(grant);
    const enrolled = await enrolInMemory({ ...toCenter(center), token });
    const certificate = new X509Certificate(enrolled.certPem);
    assert.deepEqual(enrolled.identity, { role: "gateway", region: "north", gateway: "gw-1" });
    assert.equal(certificate.checkHost("gw.example.com"), "gw.example.com");
    assert.equal(certificate.checkIP("10.1.2.3"), "10.1.2.3");
  });

  it("can be repeated with the same key when a power cut lost the certificate", async (context) => {
    const center = await startCenter(context);
    const directory = join(center.folder, "device");
    const token = await center.token("press-04");
    // What the first try left: the key on disk, the token redeemed, no certificate.
    const keyPem = await new IdentityFiles({ directory }).loadOrCreateKey();
    await enrolInMemory({ ...toCenter(center), token, keyPem });
    assert.equal(await new IdentityFiles({ directory }).load(), null);
    const enrolled = await enrol({ ...toCenter(center), token, directory });
    assert.equal(enrolled.keyPem, keyPem);
    assert.notEqual(await new IdentityFiles({ directory }).load(), null);
  });

  it("refuses a used token to another key, once and for all", async (context) => {
    const center = await startCenter(context);
    const token = await center.token("press-04");
    await enrolInMemory({ ...toCenter(center), token });
    await assert.rejects(enrolInMemory({ ...toCenter(center), token }), {
      code: "unauthenticated",
      message: /\(401\): this enrolment token was already used with another key at 20/,
    });
  });

  it("lets exactly one of many concurrent keys redeem a token", async (context) => {
    const center = await startCenter(context);
    const token = await center.token("press-04");
    const tries = Array.from({ length: 8 }, () => enrolInMemory({ ...toCenter(center), token }));
    const results = await Promise.allSettled(tries);
    assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
    for (const result of results) {
      if (result.status === "rejected") {
        assert.match(String(result.reason), /already used with another key/);
      }
    }
    const records = await center.store.listDocuments("certificate", {
      prefix: "default/",
      limit: 100,
      signal: center.signal,
    });
    assert.equal(records.length, 1);
  });

  it("refuses an expired and an unknown token, each with its own words", async (context) => {
    const center = await startCenter(context);
    const expired = await center.token("press-04", DAY_MS);
    const unknown = `${await center.token("press-05")}A`;
    center.clock.advance(2 * DAY_MS);
    const options = toCenter(center);
    await assert.rejects(enrolInMemory({ ...options, token: expired }), {
      code: "unauthenticated",
      message: /this enrolment token expired at 20.*; make a new one with `muster device enroll`/,
    });
    await assert.rejects(enrolInMemory({ ...options, token: unknown }), {
      code: "unauthenticated",
      message: /this enrolment token is not known here/,
    });
    await assert.rejects(enrolInMemory({ ...options, token: "secret" }), {
      code: "invalid_argument",
      message: /not an enrolment token/,
    });
  });

  it("sends nothing to a center whose CA or TUF root is not the token's", async (context) => {
    const center = await startCenter(context);
    const other = await startCenter(context);
    const token = await center.token("press-04");
    await assert.rejects(enrolInMemory({ ...toCenter(other), token }), {
      code: "untrusted",
      message: /certificate authority is not the one that the token names/,
    });
    const [head = "", secret = ""] = token.slice("muster-enrol.".length).split(".");
    const claims = JSON.parse(Buffer.from(head, "base64url").toString()) as object;
    const wrongRoot = Buffer.from(JSON.stringify({ ...claims, root: "0".repeat(64) }));
    const changed = `muster-enrol.${wrongRoot.toString("base64url")}.${secret}`;
    await assert.rejects(enrolInMemory({ ...toCenter(center), token: changed }), {
      code: "untrusted",
      message: /TUF root is not the one that the token names/,
    });
    // Neither attempt used the token up.
    await enrolInMemory({ ...toCenter(center), token });
  });

  it("says where it could not connect", async (context) => {
    const center = await startCenter(context);
    const token = await center.token("press-04");
    const options = { ...toCenter(center), token };
    await assert.rejects(enrolInMemory({ ...options, enrolmentUrl: "https://127.0.0.1:1" }), {
      code: "unavailable",
      message: "cannot connect to the center at 127.0.0.1:1: nothing answers there",
    });
    await assert.rejects(enrolInMemory({ ...options, enrolmentUrl: "http://127.0.0.1:1" }), {
      code: "invalid_argument",
    });
    const signal = AbortSignal.abort();
    await assert.rejects(enrolInMemory({ ...options, signal }), { code: "cancelled" });
  });
});

describe("renewal", () => {
  it("gives the same identity a new certificate, for two years after its end", async (context) => {
    const center = await startCenter(context);
    const directory = join(center.folder, "device");
    const token = await center.token("press-04");
    const first = await enrol({ ...toCenter(center), token, directory });
    center.clock.advance((365 + 700) * DAY_MS);
    await center.serverCertificate.renewIfDue();
    const workingTime = new WorkingTime({ clock: center.clock, floorMs: 0 });
    const renewed = await reenrol({ ...toCenter(center), directory, workingTime });
    assert.deepEqual(renewed.identity, first.identity);
    assert.notEqual(renewed.certPem, first.certPem);
    assert.equal(await readFile(join(directory, "identity/cert.pem"), "utf8"), renewed.certPem);
    center.clock.advance((365 + 731) * DAY_MS);
    await center.serverCertificate.renewIfDue();
    await assert.rejects(reenrol({ ...toCenter(center), directory, workingTime }), {
      code: "unauthenticated",
      message: /the client certificate ended more than two years ago/,
    });
  });

  it("is refused for a revoked certificate", async (context) => {
    const center = await startCenter(context);
    const directory = join(center.folder, "device");
    const token = await center.token("press-04");
    const { certPem } = await enrol({ ...toCenter(center), token, directory });
    const serial = new X509Certificate(certPem).serialNumber.toLowerCase();
    const record = await center.store.getDocument("certificate", `default/${serial}`, center);
    const value = { ...(record?.value as object), revokedAtMs: center.clock.wallMs() };
    const write = { ...record!, expectedRevision: record!.revision, value };
    const { kind, key, expectedRevision } = write;
    const documents = [{ kind, key, expectedRevision, value }];
    assert.ok((await center.store.commit({ documents }, center)).ok);
    await assert.rejects(reenrol({ ...toCenter(center), directory }), {
      code: "permission_denied",
      message: /this certificate was revoked/,
    });
  });

  it("is refused for a certificate of another installation with the same name", async (context) => {
    const center = await startCenter(context);
    const other = await startCenter(context);
    const directory = join(center.folder, "device");
    await enrol({ ...toCenter(center), token: await center.token("press-04"), directory });
    const foreign = await enrolInMemory({
      ...toCenter(other),
      token: await other.token("press-04"),
    });
    const { certPem, keyPem } = foreign;
    using connection = await connectUntrusted({ ...toCenter(center), certPem, keyPem });
    const path = "/.well-known/est/simplereenroll";
    const { signal } = center;
    await assert.rejects(connection.fetch({ method: "POST", path, body: "x", signal }), {
      code: "unauthenticated",
      message: /was not issued by this installation's certificate authority/,
    });
  });
});

describe("the enrolment listener", () => {
  it("hands out the directory of gateways", async (context) => {
    const center = await startCenter(context);
    using connection = await connectUntrusted(toCenter(center));
    const { caPem } = center.authority;
    trustCenter(connection, { caPem, workingTime: deviceTime() });
    const directory = await fetchDirectory(connection, center);
    assert.deepEqual(directory, { gateways: [DIRECTORY_GATEWAY] });
  });

  it("answers what it does not know or cannot read with one line", async (context) => {
    const center = await startCenter(context);
    using connection = await connectUntrusted(toCenter(center));
    const { signal } = center;
    const post = "POST" as const;
    const get = "GET" as const;
    for (const [method, path, body, words] of [
      [get, "/", "", /\(404\): there is nothing at this path/],
      [get, "/.well-known/est/simpleenroll", "", /\(405\): use POST here/],
      [post, "/.well-known/est/simpleenroll", "x", /\(401\): enrolment needs a token/],
      [post, "/.well-known/est/simplereenroll", "x", /\(401\): renewal needs the previous/],
      [get, "/.well-known/muster/root.json?version=0", "", /\(400\).*version must be a whole/],
      [get, "/.well-known/muster/root.json?version=7", "", /\(404\): there is no version 7/],
      [get, "/.well-known/muster/time?nonce=short", "", /\(400\).*nonce must be 16 to 64/],
      [
        post,
        "/.well-known/est/simpleenroll",
        "x".repeat(70_000),
        /\(413\).*over the limit of 65536/,
      ],
    ] as const) {
      const request = { method, path, signal, ...(body === "" ? {} : { body }) };
      await assert.rejects(connection.fetch(request), { message: words });
    }
  });

  it("refuses a bad request without using up the token", async (context) => {
    const center = await startCenter(context);
    const token = await center.token("press-04");
    using connection = await connectUntrusted(toCenter(center));
    const path = "/.well-known/est/simpleenroll";
    const headers = { authorization: `Bearer ${token}` };
    const { signal } = center;
    await assert.rejects(
      connection.fetch({ method: "POST", path, headers, body: "nonsense", signal }),
      {
        code: "invalid_argument",
        message: /not a PKCS#10 request that can be read; send a PKCS#10/,
      },
    );
    await enrolInMemory({ ...toCenter(center), token });
  });
});

describe("the files of a device", () => {
  it("forget the trust state of another installation", async (context) => {
    const center = await startCenter(context);
    const other = await startCenter(context);
    const directory = join(center.folder, "device");
    await enrol({ ...toCenter(center), token: await center.token("a"), directory });
    await mkdir(join(directory, "trust"), { recursive: true });
    await writeFile(join(directory, "trust/state.json"), "{}");
    await enrol({ ...toCenter(center), token: await center.token("a"), directory });
    assert.ok((await readdir(join(directory, "trust"))).includes("state.json"));
    await enrol({ ...toCenter(other), token: await other.token("a"), directory });
    assert.ok(!(await readdir(join(directory, "trust"))).includes("state.json"));
  });
});
