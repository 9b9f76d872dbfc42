// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { mkdir, readdir, readFile, rm, stat, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { Metadata, Root } from "@tufjs/models";
import type { TestContext } from "node:test";
import { openTufClient } from "../../../agent/trust/tuf-client.ts";
import { firstTrustState, TrustStateFile } from "../../../agent/trust/trust-state.ts";
import { OFFER_KEYS_TARGET } from "../../../protocol/device/enrolment.ts";
import { generateEd25519Pem, readEd25519Pem } from "../../../protocol/trust/ed25519.ts";
import { removeTarget } from "../../../protocol/trust/sign-targets.ts";
import {
  encodeMetadata,
  parseMetadata,
  signMetadata,
  tufKey,
} from "../../../protocol/trust/tuf-metadata.ts";
import { DAY_MS } from "./center-fixture.ts";
import { Mirror, newDevice, openTrust, signal } from "./trust-fixture.ts";
import type { TrustFixture } from "./trust-fixture.ts";

const TARGET = "releases/default/pump/1.0.0.json";

function sha256(text: string): string {
  return hash("sha256", text, "hex");
}

/** Refreshes a device from a mirror at the fixture's time. */
function refreshFrom(
  fixture: TrustFixture,
  device: ReturnType<typeof newDevice>,
  mirror: Mirror,
  laterMs = 0,
): Promise<void> {
  const workingTimeMs = fixture.clock.wallMs() + laterMs;
  return device.refresh({ source: mirror, workingTimeMs, signal });
}

describe("the trust repository", () => {
  it("is made with two keys for the operator and two for the center", async (context) => {
    const fixture = await openTrust(context);
    const keys = [
      "operator/root.key.pem",
      "operator/targets.key.pem",
      "trust/keys/snapshot.key.pem",
      "trust/keys/timestamp.key.pem",
    ];
    for (const key of keys) {
      assert.equal((await stat(join(fixture.folder, key))).mode & 0o777, 0o600, key);
    }
    assert.deepEqual(
      fixture.repository.files().map(({ name }) => name),
      ["1.root.json", "1.targets.json", "1.snapshot.json", "timestamp.json"],
    );
    assert.equal((await fixture.reopen()).rootSha256, fixture.repository.rootSha256);
  });

  it("publishes what the operator signed, without the operator's keys", async (context) => {
    const fixture = await openTrust(context);
    await fixture.put("manifest");
    const bytes = await fixture.sign(TARGET, "manifest");
    await rm(join(fixture.folder, "operator"), { recursive: true });
    const repository = await fixture.reopen();
    const result = await repository.publishTargets({ bytes, expectedVersion: 1, signal });
    assert.deepEqual(result, { ok: true, version: 2 });
    assert.equal(repository.target(TARGET)?.sha256, sha256("manifest"));
    const again = await repository.publishTargets({ bytes, expectedVersion: 1, signal });
    assert.deepEqual(again, { ok: true, version: 2 }, "a lost answer may be asked for again");
  });

  it("answers a version that somebody else has taken with a conflict", async (context) => {
    const fixture = await openTrust(context);
    await fixture.put("b");
    const late = await fixture.sign("releases/default/pump/2.0.0.json", "b");
    await fixture.publish(TARGET, "a");
    const publish = { bytes: late, expectedVersion: 1, signal };
    const conflict = { ok: false, reason: "conflict", currentVersion: 2 };
    assert.deepEqual(await fixture.repository.publishTargets(publish), conflict);
    const racing = await Promise.all([fixture.publish("x", "1"), fixture.publish("y", "2")]);
    assert.equal(racing.filter(({ ok }) => ok).length, 1);
  });

  it("refuses other keys, missing content, lost offer keys, expired ones", async (context) => {
    const fixture = await openTrust(context);
    const { repository } = fixture;
    const publish = (bytes: Buffer): Promise<unknown> =>
      repository.publishTargets({ bytes, expectedVersion: 1, signal });
    await assert.rejects(publish(await fixture.sign(TARGET, "a", "root.key.pem")), {
      code: "untrusted",
      message: /is not signed by the targets key that the root names/,
    });
    await assert.rejects(publish(await fixture.sign(TARGET, "never stored")), {
      code: "failed_precondition",
      message: /the content of the target releases\/default\/pump\/1\.0\.0\.json .* is not stored/,
    });
    const keyPem = await readFile(join(fixture.folder, "operator/targets.key.pem"), "utf8");
    const without = removeTarget({
      currentTargetsBytes: repository.currentTargets().bytes,
      path: OFFER_KEYS_TARGET,
      keyPem,
      keyFile: "targets.key.pem",
      expiresMs: fixture.clock.wallMs() + DAY_MS,
    });
    await assert.rejects(publish(without), { code: "invalid_argument", message: /lacks muster\// });
    fixture.clock.advance(2 * DAY_MS);
    await assert.rejects(publish(without), { message: /has expired already/ });
    await assert.rejects(publish(Buffer.from("{}")), { code: "untrusted" });
    assert.equal(repository.currentTargets().version, 1);
  });

  it("signs timestamp and snapshot anew in time, and after it was off", async (context) => {
    const fixture = await openTrust(context);
    let changes = 0;
    fixture.repository.onChange(() => {
      changes += 1;
    });
    assert.equal(await fixture.repository.renewIfDue(), false);
    fixture.clock.advance(0.6 * DAY_MS);
    assert.equal(await fixture.repository.renewIfDue(), true);
    assert.equal(changes, 1);
    const mirror = new Mirror(fixture);
    await refreshFrom(fixture, newDevice(fixture), mirror, 0.9 * DAY_MS);
    fixture.clock.advance(30 * DAY_MS);
    fixture.repository = await fixture.reopen();
    await refreshFrom(fixture, newDevice(fixture), new Mirror(fixture));
  });

  it("keeps the version before the current one and no older", async (context) => {
    const fixture = await openTrust(context);
    for (const version of ["1", "2", "3"]) await fixture.publish(`t/${version}`, version);
    const names = ["1.root.json", "3.snapshot.json", "3.targets.json", "4.targets.json"];
    assert.deepEqual(
      fixture.repository.files().map(({ name }) => name),
      [...names, "4.snapshot.json", "timestamp.json"],
    );
    const onDisk = await readdir(join(fixture.folder, "trust/metadata"));
    assert.deepEqual(
      onDisk.filter((name) => !name.startsWith(".")).sort(),
      [...names, "4.snapshot.json", "timestamp.json"].sort(),
    );
    fixture.repository = await fixture.reopen();
    assert.equal(fixture.repository.files().length, 6);
  });
});

describe("a trust repository after a power cut", () => {
  /** The files as they were before a publication, by name. */
  async function torn(context: TestContext, keep: readonly string[]): Promise<TrustFixture> {
    const fixture = await openTrust(context);
    const before = fixture.repository.files();
    await fixture.publish(TARGET, "manifest");
    const folder = join(fixture.folder, "trust/metadata");
    for (const name of await readdir(folder)) {
      if (!keep.includes(name)) await unlink(join(folder, name));
    }
    for (const { name, bytes } of before) await writeFile(join(folder, name), bytes);
    fixture.repository = await fixture.reopen();
    return fixture;
  }

  for (const keep of [["2.targets.json"], ["2.targets.json", "2.snapshot.json"]]) {
    it(`holds the old set when only ${keep.join(" and ")} got written`, async (context) => {
      const fixture = await torn(context, keep);
      assert.equal(fixture.repository.currentTargets().version, 1);
      const onDisk = await readdir(join(fixture.folder, "trust/metadata"));
      assert.deepEqual(
        onDisk.filter((name) => name.startsWith("2.")),
        [],
      );
      await refreshFrom(fixture, newDevice(fixture), new Mirror(fixture));
      assert.deepEqual(await fixture.publish(TARGET, "manifest"), { ok: true, version: 2 });
    });
  }

  it("finishes a first start that was cut off, with the same keys", async (context) => {
    const fixture = await openTrust(context);
    const { rootSha256 } = fixture.repository;
    await unlink(join(fixture.folder, "trust/metadata/timestamp.json"));
    fixture.repository = await fixture.reopen();
    assert.equal(fixture.repository.rootSha256, rootSha256);
    await refreshFrom(fixture, newDevice(fixture), new Mirror(fixture));
  });

  it("does not start over when published metadata is missing or damaged", async (context) => {
    const fixture = await openTrust(context);
    await fixture.publish(TARGET, "manifest");
    const folder = join(fixture.folder, "trust/metadata");
    const targets = await readFile(join(folder, "2.targets.json"), "utf8");
    await writeFile(join(folder, "2.targets.json"), targets.replace("pump", "pomp"));
    await assert.rejects(fixture.reopen(), {
      code: "corrupt",
      message: "the trust metadata 2.targets.json does not verify",
    });
    await writeFile(join(folder, "2.targets.json"), targets);
    await unlink(join(folder, "timestamp.json"));
    await assert.rejects(fixture.reopen(), {
      code: "corrupt",
      message: /timestamp\.json is missing although 2\.\w+\.json was published/,
    });
  });
});

describe("a device that follows the repository", () => {
  it("finds releases and offer keys, and keeps them over a restart", async (context) => {
    const fixture = await openTrust(context);
    await fixture.publish(TARGET, "manifest");
    const device = newDevice(fixture);
    assert.equal(device.offerKeys(), null);
    await refreshFrom(fixture, device, new Mirror(fixture));
    assert.deepEqual(device.targetFacts(TARGET), { sha256: sha256("manifest"), lengthBytes: 8 });
    assert.equal(device.targetFacts("toString"), null);
    const key = fixture.offerSigner.publicKeyRaw.toString("base64");
    assert.deepEqual(device.offerKeys()?.keys, [key]);

    await mkdir(join(fixture.folder, "device/trust"), { recursive: true });
    const file = new TrustStateFile({ directory: join(fixture.folder, "device") });
    assert.equal(await file.load(), null);
    await file.save(device.state);
    const restarted = openTufClient({ state: (await file.load())! });
    assert.deepEqual(restarted.targetFacts(TARGET), device.targetFacts(TARGET));
    assert.deepEqual(restarted.offerKeys(), device.offerKeys());

    await fixture.publish("releases/default/pump/1.1.0.json", "next");
    const mirror = new Mirror(fixture);
    await refreshFrom(fixture, restarted, mirror);
    assert.notEqual(restarted.targetFacts("releases/default/pump/1.1.0.json"), null);
    const wanted = ["2.root.json", "timestamp.json", "3.snapshot.json", "3.targets.json"];
    assert.deepEqual(mirror.asked, wanted);
    await refreshFrom(fixture, restarted, mirror);
    assert.equal(mirror.asked.length, 6, "nothing new: two questions");
  });

  it("refuses to be rolled back", async (context) => {
    const fixture = await openTrust(context);
    const old = new Mirror(fixture);
    await fixture.publish(TARGET, "manifest");
    const device = newDevice(fixture);
    await refreshFrom(fixture, device, new Mirror(fixture));
    await assert.rejects(refreshFrom(fixture, device, old), {
      code: "untrusted",
      message: "the timestamp metadata has version 1, trusted before was 2 (rollback)",
    });
    assert.notEqual(device.targetFacts(TARGET), null);
    // Also after a restart: the state remembers.
    const restarted = openTufClient({ state: device.state });
    await assert.rejects(refreshFrom(fixture, restarted, old), { message: /rollback/ });
  });

  it("refuses old parts under a new timestamp", async (context) => {
    const fixture = await openTrust(context);
    const old = new Mirror(fixture);
    await fixture.publish(TARGET, "manifest");
    for (const name of ["snapshot", "targets"]) {
      const mixed = new Mirror(fixture);
      mixed.files.set(`2.${name}.json`, old.files.get(`1.${name}.json`)!);
      await assert.rejects(refreshFrom(fixture, newDevice(fixture), mixed), {
        code: "untrusted",
        message: `the ${name} metadata is not the one that was named (tampered, mixed)`,
      });
    }
  });

  it("notices when it is kept from news longer than a day", async (context) => {
    const fixture = await openTrust(context);
    const frozen = new Mirror(fixture);
    const device = newDevice(fixture);
    await refreshFrom(fixture, device, frozen, 0.9 * DAY_MS);
    await assert.rejects(refreshFrom(fixture, device, frozen, 1.1 * DAY_MS), {
      code: "untrusted",
      message: /the timestamp metadata ended at .*; working time is .* \(freeze\)/,
    });
  });

  it("refuses every file with one bit changed or another's signature", async (context) => {
    const fixture = await openTrust(context);
    await fixture.publish(TARGET, "manifest");
    const forger = await openTrust(context);
    await forger.publish(TARGET, "forged");
    for (const name of ["timestamp.json", "2.snapshot.json", "2.targets.json"]) {
      const mirror = new Mirror(fixture);
      const tampered = mirror.files.get(name)!.toString().replace('"version":2', '"version":3');
      mirror.files.set(name, Buffer.from(tampered));
      const refresh = refreshFrom(fixture, newDevice(fixture), mirror);
      await assert.rejects(refresh, { code: "untrusted" }, name);
      mirror.files.set(name, new Mirror(forger).files.get(name)!);
      const forged = refreshFrom(fixture, newDevice(fixture), mirror);
      await assert.rejects(forged, { message: /is not signed by the \w+ key/ }, name);
    }
    const mirror = new Mirror(fixture);
    mirror.forgedBlob = Buffer.from("{}");
    await assert.rejects(refreshFrom(fixture, newDevice(fixture), mirror), {
      code: "untrusted",
      message: "the target muster/offer-keys.json is not what was signed (tampered)",
    });
  });

  it("refuses what is too large before it parses it", async (context) => {
    const fixture = await openTrust(context);
    const mirror = new Mirror(fixture);
    mirror.files.set("timestamp.json", Buffer.alloc(20_000, " "));
    await assert.rejects(refreshFrom(fixture, newDevice(fixture), mirror), {
      message: "the timestamp metadata has 20000 bytes, the limit is 16384",
    });
  });

  it("starts again from its pinned root when its state is damaged", async (context) => {
    const fixture = await openTrust(context);
    await fixture.publish(TARGET, "manifest");
    const device = newDevice(fixture);
    await refreshFrom(fixture, device, new Mirror(fixture));
    const damaged = { ...device.state, timestamp: "AAAA", targets: "e30=" };
    const restarted = openTufClient({ state: damaged });
    assert.equal(restarted.targetFacts(TARGET), null);
    assert.equal(restarted.offerKeys(), null);
    await refreshFrom(fixture, restarted, new Mirror(fixture));
    assert.deepEqual(restarted.state, device.state);
    const lost = { ...device.state, root: "e30=" };
    assert.throws(() => openTufClient({ state: lost }), { code: "corrupt" });
  });
});

describe("a rotation of the root", () => {
  const newPem = generateEd25519Pem();

  /** Root version 2 with another root key, signed by the keys given. */
  async function nextRoot(fixture: TrustFixture, signers: readonly string[]): Promise<Buffer> {
    const current = parseMetadata("root", fixture.repository.rootFile(1)!, "root");
    const json = current.signed.toJSON();
    const root = Root.fromJSON({ ...json, version: 2 });
    const newKey = tufKey(readEd25519Pem(newPem, "new"));
    root.roles["root"]!.keyIDs.length = 0;
    root.addKey(newKey, "root");
    const metadata = new Metadata(root);
    for (const pem of signers) {
      signMetadata(metadata, readEd25519Pem(pem, "signer"), { keepOthers: true });
    }
    return await Promise.resolve(encodeMetadata(metadata));
  }

  it("is followed when old and new key signed, by center and device", async (context) => {
    const fixture = await openTrust(context);
    const oldPem = await readFile(join(fixture.folder, "operator/root.key.pem"), "utf8");
    const device = newDevice(fixture);
    await refreshFrom(fixture, device, new Mirror(fixture));
    const bytes = await nextRoot(fixture, [oldPem, newPem]);
    await writeFile(join(fixture.folder, "trust/metadata/2.root.json"), bytes);
    fixture.repository = await fixture.reopen();
    await refreshFrom(fixture, device, new Mirror(fixture));
    assert.equal(device.state.root, bytes.toString("base64"));
    await refreshFrom(fixture, newDevice(fixture), new Mirror(fixture));
  });

  it("is refused when either signature is missing", async (context) => {
    const fixture = await openTrust(context);
    const oldPem = await readFile(join(fixture.folder, "operator/root.key.pem"), "utf8");
    for (const signers of [[oldPem], [newPem]]) {
      const mirror = new Mirror(fixture);
      mirror.files.set("2.root.json", await nextRoot(fixture, signers));
      await assert.rejects(refreshFrom(fixture, newDevice(fixture), mirror), {
        code: "untrusted",
        message: "the root metadata is not signed by the root key that the root names",
      });
    }
  });

  it("takes a file that is the root of nothing for what it is", () => {
    const state = firstTrustState(Buffer.from("{}"));
    assert.throws(() => openTufClient({ state }), { code: "corrupt" });
  });
});
