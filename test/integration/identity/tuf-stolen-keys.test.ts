// SPDX-License-Identifier: Apache-2.0
/**
 * What a device still refuses when the center's online keys, or a withdrawn key, are in wrong
 * hands.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { Metadata, Root } from "@tufjs/models";
import type { SignedFile, TrustFile } from "../../../center/identity/trust-files.ts";
import { loadOrCreateOnlineKeys } from "../../../center/identity/trust-keys.ts";
import { signSnapshot, signTimestamp } from "../../../center/identity/trust-signing.ts";
import { generateEd25519Pem, readEd25519Pem } from "../../../protocol/trust/ed25519.ts";
import {
  encodeMetadata,
  parseMetadata,
  signMetadata,
  tufKey,
} from "../../../protocol/trust/tuf-metadata.ts";
import { Mirror, newDevice, openTrust, signal } from "./trust-fixture.ts";
import type { TrustFixture } from "./trust-fixture.ts";

/** Puts a snapshot that names these targets, and a timestamp, signed with the real online keys. */
async function signOnline(
  fixture: TrustFixture,
  mirror: Mirror,
  options: { version: number; targets: TrustFile; targetsVersion: number },
): Promise<void> {
  const keys = await loadOrCreateOnlineKeys(join(fixture.folder, "trust/keys"));
  const { version } = options;
  const nowMs = fixture.clock.wallMs();
  const snapshot = signSnapshot({ ...options, keys, nowMs });
  const timestamp = signTimestamp({ version, snapshot, keys, nowMs });
  for (const { name, bytes } of [snapshot, timestamp, options.targets]) {
    mirror.files.set(name, bytes);
  }
}

/** Root version 2 with another targets key, signed by the real root key. */
async function rootWithOtherTargetsKey(fixture: TrustFixture): Promise<SignedFile<"root">> {
  const pem = await readFile(join(fixture.folder, "operator/root.key.pem"), "utf8");
  const current = parseMetadata("root", fixture.repository.rootFile(1)!, "root");
  const root = Root.fromJSON({ ...current.signed.toJSON(), version: 2 });
  root.roles["targets"]!.keyIDs.length = 0;
  root.addKey(tufKey(readEd25519Pem(generateEd25519Pem(), "new")), "targets");
  const metadata = new Metadata(root);
  signMetadata(metadata, readEd25519Pem(pem, "root"));
  return { name: "2.root.json", bytes: encodeMetadata(metadata), metadata };
}

describe("a device", () => {
  it("is not rolled back to older targets by whoever holds the online keys", async (context) => {
    const fixture = await openTrust(context);
    const first = new Mirror(fixture);
    await fixture.publish("a", "1");
    const mirror = new Mirror(fixture);
    const device = newDevice(fixture);
    const workingTimeMs = fixture.clock.wallMs();
    await device.refresh({ source: mirror, workingTimeMs, signal });
    const targets = { name: "1.targets.json", bytes: first.files.get("1.targets.json")! };
    await signOnline(fixture, mirror, { version: 3, targets, targetsVersion: 1 });
    await assert.rejects(device.refresh({ source: mirror, workingTimeMs, signal }), {
      code: "untrusted",
      message: "the targets.json metadata has version 1, trusted before was 2 (rollback)",
    });
    assert.notEqual(device.targetFacts("a"), null);
  });

  it("takes no targets that the operator did not sign, whatever names them", async (context) => {
    const fixture = await openTrust(context);
    await fixture.publish("a", "1");
    const mirror = new Mirror(fixture);
    const bytes = await fixture.sign("evil", "x", "root.key.pem");
    const targets = { name: "3.targets.json", bytes };
    await signOnline(fixture, mirror, { version: 3, targets, targetsVersion: 3 });
    const workingTimeMs = fixture.clock.wallMs();
    const device = newDevice(fixture);
    await assert.rejects(device.refresh({ source: mirror, workingTimeMs, signal }), {
      message: "the targets metadata is not signed by the targets key that the root names",
    });
    assert.equal(device.targetFacts("evil"), null);
  });

  it("drops targets it has kept when a new root withdraws their key", async (context) => {
    const fixture = await openTrust(context);
    await fixture.publish("a", "1");
    const mirror = new Mirror(fixture);
    const device = newDevice(fixture);
    const workingTimeMs = fixture.clock.wallMs();
    await device.refresh({ source: mirror, workingTimeMs, signal });
    mirror.files.set("2.root.json", (await rootWithOtherTargetsKey(fixture)).bytes);
    await assert.rejects(device.refresh({ source: mirror, workingTimeMs, signal }), {
      message: "the targets metadata is not signed by the targets key that the root names",
    });
    assert.equal(device.targetFacts("a"), null);
  });
});
