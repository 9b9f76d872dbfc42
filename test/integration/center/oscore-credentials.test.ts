// SPDX-License-Identifier: Apache-2.0
/** OSCORE keys from their registration to a gateway, on a real store. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DeviceChanges } from "../../../center/devices/device-changes.ts";
import { registerDevices, retireDevice } from "../../../center/devices/device-registrar.ts";
import {
  OscoreCredentials,
  type OscoreContext,
} from "../../../center/devices/oscore-credentials.ts";
import {
  CredentialSealer,
  openCredentialSealer,
} from "../../../center/identity/credential-sealer.ts";
import { openDirectSqliteStore } from "../../../engines/sqlite/direct-store.ts";
import { deriveKeys } from "../../../protocol/coap/oscore/key-derivation.ts";
import { systemRandom } from "../../../runtime/system-random.ts";
import { tempDir } from "../../helpers/temp-dir.ts";
import { VirtualClock } from "../../helpers/virtual-clock.ts";

const { signal } = new AbortController();
const WHO = { tenant: "default", actor: "operator:ann", reason: "test" };
const SECRET = Buffer.from("0102030405060708090a0b0c0d0e0f10", "hex");
const PLACE = { region: "eu", site: "", labels: {}, serviceLevel: "", critical: false };

function secret(senderId: string, masterSecret = SECRET) {
  return { senderId: Buffer.from(senderId, "hex"), masterSecret, masterSalt: new Uint8Array(0) };
}

class Bench implements AsyncDisposable {
  readonly clock = new VirtualClock();
  readonly store = openDirectSqliteStore({ path: ":memory:", clock: this.clock });
  readonly sealer = new CredentialSealer({ key: Buffer.alloc(32, 1), random: systemRandom });
  readonly oscore = new OscoreCredentials({
    store: this.store,
    sealer: this.sealer,
    clock: this.clock,
  });
  readonly rekeyed: number[] = [];

  register(...devices: [id: string, oscore?: ReturnType<typeof secret>][]) {
    const options = {
      store: this.store,
      clock: this.clock,
      oscore: this.oscore,
      changes: new DeviceChanges(),
      rekeyed: (ordinals: readonly number[]) => void this.rekeyed.push(...ordinals),
    };
    const registrations = devices.map(([id, oscore]) => ({ ...PLACE, id, oscore }));
    return registerDevices(options, registrations, WHO, signal);
  }

  async give(...senderIds: string[]): Promise<(OscoreContext | null)[]> {
    return [
      ...(await this.oscore.give(
        senderIds.map((id) => Buffer.from(id, "hex")),
        signal,
      )),
    ];
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.store.close();
  }
}

describe("OSCORE keys at the center", () => {
  test("go to gateways with numbers that nobody else gets", async () => {
    await using bench = new Bench();
    await bench.register(["till-1", secret("0a")], ["till-2", secret("0b0c")], ["till-3"]);
    const [first, none, second] = await bench.give("0a", "ff", "0b0c");
    assert.equal(none, null);
    assert.deepEqual([first?.device, second?.device], ["till-1", "till-2"]);
    const device = deriveKeys({
      masterSecret: SECRET,
      masterSalt: new Uint8Array(0),
      senderId: Buffer.from("0a", "hex"),
      recipientId: new Uint8Array(0),
      idContext: null,
    });
    const { senderKey, recipientKey, commonIv } = device;
    assert.deepEqual(first?.keys, Buffer.concat([senderKey, recipientKey, commonIv]));
    const [again] = await bench.give("0a");
    assert.ok(first !== null && again !== null && first !== undefined && again !== undefined);
    assert.ok(again.firstNumber >= first.firstNumber + first.numberCount);
  });

  test("are given to many gateways at once without one number twice", async () => {
    await using bench = new Bench();
    await bench.register(["till-1", secret("0a")]);
    const given = await Promise.all(Array.from({ length: 4 }, () => bench.give("0a")));
    const firsts = given.map(([context]) => context?.firstNumber);
    assert.equal(new Set(firsts).size, 4);
  });

  test("lie sealed in the store, without the master secret", async () => {
    await using bench = new Bench();
    await bench.register(["till-1", secret("0a")]);
    const document = await bench.store.getDocument("oscore", "default/0a", { signal });
    const text = JSON.stringify(document);
    const [context] = await bench.give("0a");
    assert.ok(context !== null && context !== undefined);
    const keys = Buffer.from(context.keys);
    for (const bytes of [SECRET, keys, keys.subarray(0, 16)]) {
      assert.equal(text.includes(bytes.toString("base64").replace(/=+$/, "")), false);
      assert.equal(text.includes(bytes.toString("hex")), false);
    }
    const stranger = new CredentialSealer({ key: Buffer.alloc(32, 2), random: systemRandom });
    const sealed = bench.sealer.seal("oscore/0a/default/till-1", keys);
    assert.equal(stranger.open("oscore/0a/default/till-1", sealed), null);
    assert.equal(bench.sealer.open("oscore/0b/default/till-1", sealed), null, "of another id");
    assert.deepEqual(bench.sealer.open("oscore/0a/default/till-1", sealed), keys);
    assert.equal(bench.sealer.open("oscore/0a/default/till-1", "AAAA"), null);
  });

  test("are registered again without effect, and changed with one", async () => {
    await using bench = new Bench();
    assert.deepEqual(await bench.register(["till-1", secret("0a")]), {
      created: 1,
      updated: 0,
      unchanged: 0,
    });
    assert.deepEqual(bench.rekeyed, [1]);
    const same = await bench.register(["till-1", secret("0a")], ["till-1b"]);
    assert.deepEqual(same, { created: 1, updated: 0, unchanged: 1 });
    assert.deepEqual(await bench.register(["till-1"]), { created: 0, updated: 0, unchanged: 1 });
    const other = secret("0a", Buffer.alloc(16, 9));
    assert.deepEqual(await bench.register(["till-1", other]), {
      created: 0,
      updated: 1,
      unchanged: 0,
    });
    await bench.register(["till-1", secret("0c")]);
    assert.deepEqual(bench.rekeyed, [1, 1, 1]);
    const [former, now] = await bench.give("0a", "0c");
    assert.equal(former, null);
    assert.equal(now?.device, "till-1");
  });

  test("of a retired device are given to nobody", async () => {
    await using bench = new Bench();
    await bench.register(["till-1", secret("0a")]);
    const device = await bench.store.getDevice("default", "till-1", { signal });
    assert.ok(device !== null);
    await retireDevice(bench.store, device, WHO, signal);
    assert.deepEqual(await bench.give("0a"), [null]);
  });

  test("that cannot be are refused, and nothing is registered", async () => {
    await using bench = new Bench();
    await bench.register(["till-1", secret("0a")]);
    const cases: [ReturnType<typeof secret>, string, RegExp][] = [
      [secret("0a"), "already_exists", /^the sender id 0a is another device's$/],
      [secret(""), "invalid_argument", /1–7 bytes/],
      [secret("0102030405060708"), "invalid_argument", /1–7 bytes/],
      [secret("0b", Buffer.alloc(15)), "invalid_argument", /16–64 bytes/],
      [{ ...secret("0b"), masterSalt: Buffer.alloc(65) }, "invalid_argument", /at most 64/],
    ];
    for (const [oscore, code, message] of cases) {
      await assert.rejects(bench.register(["till-9", oscore]), { code, message });
    }
    const twice = bench.register(["till-8", secret("0d")], ["till-9", secret("0d")]);
    await assert.rejects(twice, { code: "invalid_argument", message: /sender id 0d/ });
    assert.equal(await bench.store.getDevice("default", "till-9", { signal }), null);
  });

  test("are sealed with a key that the center makes once", async () => {
    await using folder = await tempDir("sealer");
    const options = { directory: folder.join("secrets"), random: systemRandom };
    const sealed = (await openCredentialSealer(options)).seal("a", SECRET);
    assert.deepEqual((await openCredentialSealer(options)).open("a", sealed), SECRET);
  });
});
