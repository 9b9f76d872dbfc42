// SPDX-License-Identifier: Apache-2.0
/** The enrolment listener as other people's tools see it: openssl and curl, nothing of ours. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import type { ExecFileException } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { startCenter } from "./center-fixture.ts";
import type { CenterFixture } from "./center-fixture.ts";

interface ToolResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a tool in the center's folder; bounded, its standard input empty. */
function run(center: CenterFixture, tool: string, ...args: string[]): Promise<ToolResult> {
  return new Promise((resolve, reject) => {
    const options = { cwd: center.folder, timeout: 20_000 };
    const child = execFile(
      tool,
      args,
      options,
      (error: ExecFileException | null, stdout, stderr) => {
        if (error !== null && typeof error.code !== "number") {
          reject(new Error(`${tool} did not run or end: ${error.message}`));
          return;
        }
        resolve({ code: typeof error?.code === "number" ? error.code : 0, stdout, stderr });
      },
    );
    child.stdin?.end();
  });
}

async function runWell(center: CenterFixture, tool: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(center, tool, ...args);
  assert.equal(code, 0, `${tool} ${args.join(" ")}\n${stderr}`);
  return stdout;
}

/** Enrols with nothing but openssl and curl: cacerts, key and request, simpleenroll. */
async function enrolByShell(center: CenterFixture, token: string): Promise<string> {
  const est = `${center.enrolmentUrl}/.well-known/est`;
  await runWell(center, "curl", "-sSk", "-o", "cacerts.p7b64", `${est}/cacerts`);
  const toPem = ["-inform", "DER", "-print_certs"];
  await runWell(center, "openssl", "base64", "-d", "-in", "cacerts.p7b64", "-out", "cacerts.p7");
  await runWell(center, "openssl", "pkcs7", ...toPem, "-in", "cacerts.p7", "-out", "ca.pem");
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const files = ["-keyout", "key.pem", "-outform", "DER", "-out", "request.der"];
  await runWell(center, "openssl", "req", "-new", ...curve, ...files, "-subj", "/CN=whatever");
  await runWell(center, "openssl", "base64", "-in", "request.der", "-out", "request.b64");
  const post = ["-H", "content-type: application/pkcs10", "--data-binary", "@request.b64"];
  const answer = ["-o", "cert.p7b64", "-w", "%{http_code} %{content_type}"];
  const url = `${est}/simpleenroll`;
  const trust = ["-sS", "--cacert", "ca.pem"];
  const user = ["-u", `device:${token}`];
  const outcome = await runWell(center, "curl", ...trust, ...user, ...post, ...answer, url);
  await runWell(center, "openssl", "base64", "-d", "-in", "cert.p7b64", "-out", "cert.p7");
  await runWell(center, "openssl", "pkcs7", ...toPem, "-in", "cert.p7", "-out", "cert.pem");
  return outcome;
}

describe("enrolment by openssl and curl", () => {
  it("gives a certificate that openssl verifies, and renews it", async (context) => {
    const center = await startCenter(context);
    const outcome = await enrolByShell(center, await center.token("pump-9"));
    assert.equal(outcome, "200 application/pkcs7-mime; smime-type=certs-only");
    const verify = ["verify", "-purpose", "sslclient", "-CAfile", "ca.pem", "cert.pem"];
    assert.match(await runWell(center, "openssl", ...verify), /cert\.pem: OK/);
    const certificate = new X509Certificate(await readFile(join(center.folder, "cert.pem")));
    assert.equal(certificate.subjectAltName, "URI:muster://default/pump-9");

    const renew = ["--cert", "cert.pem", "--key", "key.pem", "--data-binary", "@request.b64"];
    const url = `${center.enrolmentUrl}/.well-known/est/simplereenroll`;
    const fetch = ["-sS", "--cacert", "ca.pem", "-w", "%{http_code}", "-o", "again.p7b64"];
    assert.equal(await runWell(center, "curl", ...fetch, ...renew, url), "200");
  });

  it("takes PEM requests, RSA keys and bearer tokens too", async (context) => {
    const center = await startCenter(context);
    await writeFile(join(center.folder, "ca.pem"), center.authority.caPem);
    const key = ["-newkey", "rsa:2048", "-nodes", "-keyout", "rsa.pem", "-subj", "/"];
    await runWell(center, "openssl", "req", "-new", ...key, "-out", "request.pem");
    const header = ["-H", `authorization: Bearer ${await center.token("pump-9")}`];
    const send = [...header, "--data-binary", "@request.pem", "-o", "cert", "-w", "%{http_code}"];
    const url = `${center.enrolmentUrl}/.well-known/est/some-label/simpleenroll`;
    assert.equal(await runWell(center, "curl", "-sS", "--cacert", "ca.pem", ...send, url), "200");
  });

  it("says in one line why a token was refused, with 401 and a challenge", async (context) => {
    const center = await startCenter(context);
    await enrolByShell(center, await center.token("pump-9", 60_000));
    center.clock.advance(120_000);
    const token = await center.token("pump-9", -1_000);
    const send = ["-u", `device:${token}`, "--data-binary", "@request.b64", "-i"];
    const url = `${center.enrolmentUrl}/.well-known/est/simpleenroll`;
    const answer = await runWell(center, "curl", "-sS", "--cacert", "ca.pem", ...send, url);
    assert.match(answer, /^HTTP\/1\.1 401 /);
    assert.match(answer, /www-authenticate: Basic realm="muster enrolment"/i);
    assert.match(
      answer,
      /\r\n\r\nthis enrolment token expired at [^\n]+; make a new one [^\n]+\n$/,
    );
  });
});

describe("TLS of the enrolment listener", () => {
  it("refuses TLS 1.2", async (context) => {
    const center = await startCenter(context);
    const connect = ["s_client", "-connect", `127.0.0.1:${center.port}`];
    const { code, stdout, stderr } = await run(center, "openssl", ...connect, "-tls1_2");
    assert.notEqual(code, 0);
    assert.match(`${stdout}${stderr}`, /alert protocol version/);
  });

  it("negotiates AES-256-GCM also with a client that prefers another", async (context) => {
    const center = await startCenter(context);
    await writeFile(join(center.folder, "ca.pem"), center.authority.caPem);
    const suites = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384";
    const connect = ["s_client", "-connect", `127.0.0.1:${center.port}`, "-CAfile", "ca.pem"];
    const verify = ["-verify_return_error", "-ciphersuites", suites];
    const stdout = await runWell(center, "openssl", ...connect, ...verify);
    assert.match(stdout, /New, TLSv1\.3, Cipher is TLS_AES_256_GCM_SHA384/);
    assert.match(stdout, /Verify return code: 0 \(ok\)/);
  });
});
