// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { describe, it } from "node:test";
import { Metadata, Root } from "@tufjs/models";
import type { MusterError } from "../../domain/errors.ts";
import { generateEd25519Pem, readEd25519Pem } from "./ed25519.ts";
import { addTarget, firstTargets, removeTarget, verifyTargetsSignature } from "./sign-targets.ts";
import { encodeMetadata, parseMetadata, signMetadata, tufKey, tufTime } from "./tuf-metadata.ts";
import { TUF_SPEC_VERSION } from "./tuf-metadata.ts";
import { findTarget } from "./tuf-targets.ts";

const EXPIRES_MS = Date.UTC(2030, 0, 1);
const keyPem = generateEd25519Pem();
const keyFile = "targets.key.pem";
const key = readEd25519Pem(keyPem, keyFile);

function first(count = 0): Buffer {
  const targets = Array.from({ length: count }, (_, index) => ({
    path: `releases/default/app/1.0.${index}.json`,
    content: { sha256: hash("sha256", String(index), "hex"), lengthBytes: index },
  }));
  return firstTargets({ targets, key, expiresMs: EXPIRES_MS });
}

function rootFor(pem: string): Buffer {
  const expires = tufTime(EXPIRES_MS);
  const root = new Root({ version: 1, specVersion: TUF_SPEC_VERSION, expires });
  for (const role of ["root", "targets", "snapshot", "timestamp"]) {
    root.addKey(tufKey(readEd25519Pem(pem, keyFile)), role);
  }
  const metadata = new Metadata(root);
  signMetadata(metadata, readEd25519Pem(pem, keyFile));
  return encodeMetadata(metadata);
}

function add(current: Buffer, path: string, text: string, replace = false): Buffer {
  const content = { bytes: Buffer.from(text) };
  const options = { currentTargetsBytes: current, path, content, replace };
  return addTarget({ ...options, keyPem, keyFile, expiresMs: EXPIRES_MS });
}

describe("signing targets", () => {
  it("adds a target under the next version and keeps the others", () => {
    const next = add(first(3), "releases/default/pump/1.0.0.json", "manifest");
    const { signed } = parseMetadata("targets", next, "next");
    assert.equal(signed.version, 2);
    assert.equal(signed.expires, "2030-01-01T00:00:00Z");
    assert.equal(Object.keys(signed.targets).length, 4);
    assert.deepEqual(findTarget(signed, "releases/default/pump/1.0.0.json"), {
      sha256: hash("sha256", "manifest", "hex"),
      lengthBytes: 8,
    });
    verifyTargetsSignature({ targetsBytes: next, rootBytes: rootFor(keyPem) });
  });

  it("never changes a release, but may replace what is meant to change", () => {
    const one = add(first(), "a.json", "one");
    assert.throws(() => add(one, "a.json", "two"), { code: "already_exists" });
    const again = parseMetadata("targets", add(one, "a.json", "one"), "again");
    assert.equal(again.signed.version, 3);
    const replaced = parseMetadata("targets", add(one, "a.json", "two", true), "replaced");
    assert.equal(findTarget(replaced.signed, "a.json")?.sha256, hash("sha256", "two", "hex"));
  });

  it("removes a target, and says when there is none", () => {
    const options = { keyPem, keyFile, expiresMs: EXPIRES_MS };
    const one = add(first(), "a.json", "one");
    const none = removeTarget({ ...options, currentTargetsBytes: one, path: "a.json" });
    assert.equal(findTarget(parseMetadata("targets", none, "none").signed, "a.json"), null);
    assert.throws(() => removeTarget({ ...options, currentTargetsBytes: none, path: "toString" }), {
      code: "not_found",
    });
  });

  it("is not verified under another root, nor after a change", () => {
    const bytes = first(2);
    const rootBytes = rootFor(keyPem);
    verifyTargetsSignature({ targetsBytes: bytes, rootBytes });
    const otherRoot = rootFor(generateEd25519Pem());
    assert.throws(() => verifyTargetsSignature({ targetsBytes: bytes, rootBytes: otherRoot }), {
      code: "untrusted",
    });
    const changed = Buffer.from(bytes.toString().replace("1.0.1.json", "1.0.9.json"));
    assert.throws(() => verifyTargetsSignature({ targetsBytes: changed, rootBytes }), {
      code: "untrusted",
    });
  });

  it("says which file is not a key", () => {
    const options = { currentTargetsBytes: first(), path: "a", content: { bytes: Buffer.of() } };
    const wrong = { ...options, keyPem: "nonsense", keyFile: "my.pem", expiresMs: EXPIRES_MS };
    assert.throws(
      () => addTarget(wrong),
      (error: MusterError) => error.code === "invalid_argument" && error.detail.file === "my.pem",
    );
  });
});

describe("targets metadata", () => {
  it("is read and written alike by the library and by us, for names of any kind", () => {
    const odd = ["__proto__", "constructor", "a b/ü.json"];
    let bytes = first(20);
    for (const path of odd) bytes = add(bytes, path, path);
    const ours = parseMetadata("targets", bytes, "ours").signed.toJSON();
    assert.deepEqual(JSON.parse(bytes.toString()).signed, JSON.parse(JSON.stringify(ours)));
    for (const path of odd) {
      assert.notEqual(findTarget(parseMetadata("targets", bytes, "ours").signed, path), null, path);
    }
  });

  it("holds ten thousand releases within its limit of bytes, each way", () => {
    const bytes = first(10_000);
    const parsed = parseMetadata("targets", bytes, "many");
    assert.equal(Object.keys(parsed.signed.targets).length, 10_000);
    verifyTargetsSignature({ targetsBytes: bytes, rootBytes: rootFor(keyPem) });
  });

  it("is refused in every wrong shape", () => {
    const good = JSON.parse(first(1).toString()) as { signed: { targets: object } };
    const { signed } = good;
    const path = "releases/default/app/1.0.0.json";
    const shapes: unknown[] = [
      null,
      {},
      { ...good, signed: null },
      { ...good, signed: { ...signed, version: 0 } },
      { ...good, signed: { ...signed, version: 1.5 } },
      { ...good, signed: { ...signed, _type: "snapshot" } },
      { ...good, signed: { ...signed, targets: [] } },
      { ...good, signed: { ...signed, targets: { [path]: { length: 1, hashes: {} } } } },
      { ...good, signed: { ...signed, targets: { [path]: { length: 0.5, hashes: {} } } } },
      { ...good, signed: { ...signed, targets: { "": {} } } },
    ];
    for (const shape of shapes) {
      const bytes = Buffer.from(JSON.stringify(shape));
      assert.throws(() => parseMetadata("targets", bytes, "it"), { code: "untrusted" });
    }
  });
});
