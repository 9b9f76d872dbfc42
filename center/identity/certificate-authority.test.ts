// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { chmod, mkdtemp, readFile, rm, stat, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { TestContext } from "node:test";
import {
  certificateIdentity,
  certificateProblem,
} from "../../protocol/trust/certificate-identity.ts";
import { x509Library } from "../../protocol/trust/x509-library.ts";
import { systemRandom } from "../../runtime/system-random.ts";
import type { Clock } from "../../ports/clock.ts";
import { openCertificateAuthority } from "./certificate-authority.ts";
import type { CertificateAuthority } from "./certificate-authority.ts";
import { readCertificateRequest } from "./certificate-request.ts";
import type { CertificateRequest } from "./certificate-request.ts";

const NOW_MS = Date.UTC(2026, 5, 1);
const DAY_MS = 86_400_000;

function clockAt(wallMs: number): Clock {
  return { wallMs: () => wallMs, monotonicMs: () => 0, setTimer: () => () => {} };
}

async function open(
  context: TestContext,
): Promise<{ directory: string; authority: CertificateAuthority }> {
  const directory = await mkdtemp(join(tmpdir(), "muster-ca-"));
  context.after(() => rm(directory, { recursive: true }));
  const authority = await openCertificateAuthority({
    directory,
    clock: clockAt(NOW_MS),
    random: systemRandom,
  });
  return { directory, authority };
}

type KeyAlgorithm = Parameters<typeof crypto.subtle.generateKey>[0];

const P256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

async function requestDer(
  algorithm: KeyAlgorithm = P256,
  name = "CN=muster://default/somebody-else",
): Promise<Buffer> {
  const { Pkcs10CertificateRequestGenerator } = x509Library();
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const request = await Pkcs10CertificateRequestGenerator.create({
    name,
    keys,
    signingAlgorithm: algorithm,
  });
  return Buffer.from(request.rawData);
}

async function request(): Promise<CertificateRequest> {
  return await readCertificateRequest(await requestDer());
}

describe("the certificate authority", () => {
  it("is made once, with a private key that only its owner can read", async (context) => {
    const { directory, authority } = await open(context);
    const { mode } = await stat(join(directory, "ca.key.pem"));
    assert.equal(mode & 0o777, 0o600);
    const again = await openCertificateAuthority({
      directory,
      clock: clockAt(NOW_MS + DAY_MS),
      random: systemRandom,
    });
    assert.equal(again.caSha256, authority.caSha256);
    assert.equal(again.caPem, await readFile(join(directory, "ca.pem"), "utf8"));
  });

  it("makes the certificate anew when a power cut left only the key", async (context) => {
    const { directory } = await open(context);
    await unlink(join(directory, "ca.pem"));
    const again = await openCertificateAuthority({
      directory,
      clock: clockAt(NOW_MS),
      random: systemRandom,
    });
    const issued = await again.issueDevice({ request: await request(), tenant: "a", device: "b" });
    const certificate = new X509Certificate(issued.certificateDer);
    const question = { certificate, authority: again.certificate, nowMs: NOW_MS };
    assert.equal(certificateProblem({ ...question, usage: "client" }), null);
  });

  it("refuses to start without its key or with a readable one", async (context) => {
    const reopen = async (directory: string): Promise<unknown> =>
      await openCertificateAuthority({ directory, clock: clockAt(0), random: systemRandom });
    const lost = await open(context);
    await unlink(join(lost.directory, "ca.key.pem"));
    await assert.rejects(reopen(lost.directory), { code: "corrupt", message: /key is missing/ });
    const readable = await open(context);
    await chmod(join(readable.directory, "ca.key.pem"), 0o644);
    await assert.rejects(reopen(readable.directory), {
      code: "failed_precondition",
      message: /read by other users \(mode 644\)/,
    });
  });

  it("names a device after the caller, not after the request", async (context) => {
    const { authority } = await open(context);
    const issued = await authority.issueDevice({
      request: await request(),
      tenant: "default",
      device: "press:04",
    });
    const certificate = new X509Certificate(issued.certificateDer);
    assert.equal(certificate.subject, "CN=muster-device");
    assert.equal(certificate.subjectAltName, "URI:muster://default/press:04");
    assert.deepEqual(certificateIdentity(certificate), {
      role: "device",
      tenant: "default",
      device: "press:04",
    });
    assert.deepEqual(certificate.keyUsage, ["1.3.6.1.5.5.7.3.2"]);
    assert.equal(certificate.serialNumber.toLowerCase(), issued.serial);
    assert.equal(issued.serial.length, 32);
    assert.equal(issued.notBeforeMs, NOW_MS - 300_000);
    assert.equal(issued.notAfterMs, NOW_MS + 365 * DAY_MS);
  });

  it("issues gateways and the center with their hosts, each for its uses", async (context) => {
    const { authority } = await open(context);
    const gateway = await authority.issueGateway({
      request: await request(),
      region: "north",
      gateway: "gw-1",
      hosts: ["gw-1.example.com", "127.0.0.1"],
    });
    const gatewayCertificate = new X509Certificate(gateway.certificateDer);
    assert.deepEqual(certificateIdentity(gatewayCertificate), {
      role: "gateway",
      region: "north",
      gateway: "gw-1",
    });
    assert.equal(gatewayCertificate.checkHost("gw-1.example.com"), "gw-1.example.com");
    assert.equal(gatewayCertificate.checkIP("127.0.0.1"), "127.0.0.1");
    assert.equal(gatewayCertificate.keyUsage?.length, 2);

    const server = await authority.issueServer({ hosts: ["localhost", "::1"] });
    const serverCertificate = new X509Certificate(server.certificateDer);
    assert.deepEqual(certificateIdentity(serverCertificate), { role: "center" });
    const question = { certificate: serverCertificate, authority: authority.certificate };
    assert.equal(certificateProblem({ ...question, usage: "server", nowMs: NOW_MS }), null);
    assert.match(
      certificateProblem({ ...question, usage: "client", nowMs: NOW_MS }) ?? "",
      /not for use as a client/,
    );
    await assert.rejects(authority.issueServer({ hosts: ["a b"] }), { code: "invalid_argument" });
    await assert.rejects(authority.issueServer({ hosts: ["x, URI:muster://a/b"] }), {
      code: "invalid_argument",
    });
  });

  it("tells a certificate of another authority before it looks at any date", async (context) => {
    const ours = await open(context);
    const theirs = await open(context);
    const { certificateDer } = await theirs.authority.issueServer({ hosts: [] });
    const question = {
      certificate: new X509Certificate(certificateDer),
      authority: ours.authority.certificate,
      usage: "server" as const,
    };
    for (const nowMs of [0, NOW_MS, NOW_MS * 2]) {
      assert.match(certificateProblem({ ...question, nowMs }) ?? "", /was not issued by/);
    }
    const own = { ...question, authority: theirs.authority.certificate };
    assert.match(certificateProblem({ ...own, nowMs: 0 }) ?? "", /not valid before 2026-05-31/);
    assert.match(certificateProblem({ ...own, nowMs: NOW_MS * 2 }) ?? "", /ended at 2026-08-30/);
  });

  it("bundles certificates as PKCS#7", async (context) => {
    const { authority } = await open(context);
    const bundle = authority.pkcs7([authority.caDer]);
    const [certificate] = new (x509Library().X509Certificates)(bundle);
    assert.deepEqual(Buffer.from(certificate!.rawData), authority.caDer);
  });
});

describe("a certificate request", () => {
  it("is read as DER, base64 and PEM alike", async () => {
    const der = await requestDer();
    const base64 = der.toString("base64").replaceAll(/(.{64})/g, "$1\r\n");
    const label = "CERTIFICATE REQUEST-----";
    const pem = `-----BEGIN ${label}\n${base64}\n-----END ${label}\n`;
    const { publicKeySha256 } = await readCertificateRequest(der);
    for (const form of [base64, pem]) {
      const read = await readCertificateRequest(Buffer.from(form));
      assert.equal(read.publicKeySha256, publicKeySha256);
    }
  });

  it("may hold a P-256, P-384, Ed25519 or RSA key of 2048 bits", async () => {
    const rsa = {
      name: "RSASSA-PKCS1-v1_5",
      hash: "SHA-256",
      modulusLength: 2_048,
      publicExponent: Uint8Array.of(1, 0, 1),
    };
    const p384 = { name: "ECDSA", namedCurve: "P-384", hash: "SHA-384" };
    for (const algorithm of [P256, p384, { name: "Ed25519" }, rsa]) {
      await readCertificateRequest(await requestDer(algorithm));
    }
    for (const weak of [
      { ...rsa, modulusLength: 1_024 },
      { ...P256, namedCurve: "P-521" },
    ]) {
      await assert.rejects(readCertificateRequest(await requestDer(weak)), {
        code: "invalid_argument",
        message: /its key is (rsa 1024 bits|ec secp521r1)$/,
      });
    }
  });

  it("is refused when its signature is another key's: the sender must hold the key", async () => {
    const der = await requestDer();
    const last = der.length - 1;
    der[last] = (der[last] ?? 0) ^ 1;
    await assert.rejects(readCertificateRequest(der), {
      code: "invalid_argument",
      message: /refused: its signature does not verify/,
    });
    const other = generateKeyPairSync("ec", { namedCurve: "prime256v1" }).publicKey;
    const spki = other.export({ format: "der", type: "spki" });
    const swapped = await requestDer();
    const at = swapped.indexOf(Buffer.from("3059301306072a8648ce3d0201", "hex"));
    spki.copy(swapped, at);
    await assert.rejects(readCertificateRequest(swapped), { code: "invalid_argument" });
  });

  it("is refused when it is anything else", async () => {
    for (const junk of [
      "",
      "hello",
      "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END",
      "MIIB",
    ]) {
      await assert.rejects(readCertificateRequest(Buffer.from(junk)), { code: "invalid_argument" });
    }
  });
});
