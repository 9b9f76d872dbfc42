// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import type { X509Certificate } from "node:crypto";
import { describe, it } from "node:test";
import { certificateIdentity, isoTime, readCertificate } from "./certificate-identity.ts";
import { x509Library } from "./x509-library.ts";

/** Only the names matter here; whole certificates are tested where they are issued. */
function named(subjectAltName: string | undefined): X509Certificate {
  return { subjectAltName } as X509Certificate;
}

describe("the identity of a certificate", () => {
  it("is its one SAN URI, beside which hosts may stand", () => {
    assert.deepEqual(certificateIdentity(named("URI:muster://acme/a:b.c_d-e")), {
      role: "device",
      tenant: "acme",
      device: "a:b.c_d-e",
    });
    const gateway = "DNS:gw.example.com, URI:muster-gateway://north/gw-1, IP Address:10.0.0.1";
    assert.deepEqual(certificateIdentity(named(gateway)), {
      role: "gateway",
      region: "north",
      gateway: "gw-1",
    });
    const center = certificateIdentity(named("URI:muster-center://center"));
    assert.deepEqual(center, { role: "center" });
  });

  it("is nobody's with no URI, two of them, or a strange or quoted one", () => {
    for (const names of [
      undefined,
      "",
      "DNS:muster",
      "URI:muster://acme/a, URI:muster://acme/b",
      "URI:https://acme/a",
      "URI:muster://acme/a/b",
      "URI:muster://ACME/a",
      'URI:"muster://acme/a"',
      'DNS:"x, URI:muster-center://center"',
      "URI:muster-center://center/x",
    ]) {
      assert.equal(certificateIdentity(named(names)), null, String(names));
    }
  });

  it("cannot be read out of what is no certificate", () => {
    assert.throws(() => readCertificate("nonsense", "the pinned CA"), {
      code: "invalid_argument",
      message: "the pinned CA is not an X.509 certificate",
    });
  });
});

describe("a moment in a message", () => {
  it("is readable, also when it is beyond all calendars", () => {
    assert.equal(isoTime(0), "1970-01-01T00:00:00Z");
    assert.equal(isoTime(Number.MAX_SAFE_INTEGER), "9007199254740991");
  });
});

describe("the certificate library", () => {
  it("loads without leaving anything on Reflect", () => {
    assert.equal(typeof x509Library().X509Certificate, "function");
    assert.ok(!("getMetadata" in Reflect));
    assert.ok(!("getOwnMetadata" in Reflect));
  });
});
