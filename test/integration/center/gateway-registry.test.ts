// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { GatewayRegistry } from "../../../center/link/gateway-registry.ts";
import { openDirectSqliteStore } from "../../../engines/sqlite/direct-store.ts";
import type { Store } from "../../../ports/store.ts";
import { VirtualClock } from "../../helpers/virtual-clock.ts";

const SILENCE_MS = 15_000;
const { signal } = new AbortController();

function hello(gateway: string, ip = "10.0.0.1") {
  const services = [{ name: "mqtt", port: 8_883 }];
  return { gateway, region: "eu", ip, services, version: "1", connectionLimit: 9 };
}

interface Bench extends AsyncDisposable {
  readonly store: Store;
  readonly clock: VirtualClock;
  readonly changes: [number, boolean][];
  open(): Promise<GatewayRegistry>;
}

function bench(): Bench {
  const clock = new VirtualClock();
  const store = openDirectSqliteStore({ path: ":memory:", clock });
  const changes: [number, boolean][] = [];
  return {
    store,
    clock,
    changes,
    open: async () => {
      const registry = new GatewayRegistry({
        store,
        clock,
        silenceMs: SILENCE_MS,
        onChange: (gateway, online) => changes.push([gateway, online]),
      });
      await registry.load(signal);
      return registry;
    },
    [Symbol.asyncDispose]: () => store.close(),
  };
}

describe("the gateway registry", () => {
  test("shows id, ip, port, services and time of a gateway that said hello", async () => {
    await using made = bench();
    const registry = await made.open();
    assert.equal(await registry.register(hello("gw-1"), signal), 1);
    const atMs = made.clock.wallMs();
    assert.deepEqual(registry.list(), [
      {
        ...hello("gw-1"),
        number: 1,
        registeredAtMs: atMs,
        online: true,
        lastSeenAtMs: atMs,
        changedAtMs: atMs,
        connectedDevices: 0,
      },
    ]);
    const { entries } = await made.store.listAudit({
      tenant: null,
      afterSequence: 0,
      limit: 10,
      signal,
    });
    const [entry] = entries;
    assert.equal(entry?.action, "gateway.register");
  });

  test("finds one silent after three misses, and back with its next heartbeat", async () => {
    await using made = bench();
    const registry = await made.open();
    await registry.register(hello("gw-1"), signal);
    await registry.register(hello("gw-2"), signal);
    made.clock.advance(SILENCE_MS);
    registry.heard("gw-2", 7);
    registry.checkSilence();
    assert(registry.isOnline(1), "at the third miss it is still awaited");
    made.clock.advance(1);
    registry.checkSilence();
    assert.deepEqual([registry.isOnline(1), registry.isOnline(2)], [false, true]);
    assert.equal(registry.list()[1]?.connectedDevices, 7);
    registry.heard("gw-1", 0);
    assert(registry.isOnline(1));
    assert.deepEqual(made.changes, [
      [1, true],
      [2, true],
      [1, false],
      [1, true],
    ]);
  });

  test("gives two gateways that say hello at once two numbers", async () => {
    await using made = bench();
    const registry = await made.open();
    const names = ["gw-1", "gw-2", "gw-3"];
    const numbers = await Promise.all(names.map((name) => registry.register(hello(name), signal)));
    assert.deepEqual(
      numbers.toSorted((a, b) => a - b),
      [1, 2, 3],
    );
    assert.deepEqual(
      numbers.map((number) => registry.nameOf(number)),
      names,
    );
  });

  test("keeps the numbers over a restart; everybody is offline until heard from", async () => {
    await using made = bench();
    const before = await made.open();
    await before.register(hello("gw-2"), signal);
    await before.register(hello("gw-1"), signal);
    const after = await made.open();
    assert.deepEqual([after.nameOf(1), after.nameOf(2)], ["gw-2", "gw-1"]);
    assert.deepEqual([after.isOnline(1), after.isOnline(2)], [false, false]);
    assert.equal(await after.register(hello("gw-3"), signal), 3);
    assert.equal(await after.register(hello("gw-2", "10.0.0.9"), signal), 1);
    assert.equal(after.list().find(({ gateway }) => gateway === "gw-2")?.ip, "10.0.0.9");
  });

  test("knows every gateway after a restart, however many", async () => {
    await using made = bench();
    const before = await made.open();
    for (let index = 0; index < 1_001; index++) {
      await before.register(hello(`gw-${index}`), signal);
    }
    const after = await made.open();
    assert.equal(after.list().length, 1_001);
    assert.equal(await after.register(hello("gw-new"), signal), 1_002);
  });

  test("joins the workers of a gateway for devices, who need one address of it", async () => {
    await using made = bench();
    const registry = await made.open();
    const old = { ...hello("gw-1/1", "10.0.0.1"), services: [{ name: "mqtts", port: 1 }] };
    const coap = { name: "coap", port: 5_683 };
    const mqtts = { name: "mqtts", port: 8_883 };
    await registry.register(old, signal);
    registry.heard("gw-1/1", 500);
    registry.setOnline("gw-1/1", false);
    await registry.register({ ...hello("gw-1/2", "10.0.0.2"), services: [mqtts] }, signal);
    await registry.register({ ...hello("gw-1/3", "10.0.0.2"), services: [coap] }, signal);
    await registry.register(hello("gw-2"), signal);
    registry.heard("gw-1/2", 20);
    registry.heard("gw-1/3", 3);
    assert.equal(registry.list().length, 4);
    const whole = registry.whole().map(({ gateway, ip, services, online, connectedDevices }) => ({
      gateway,
      ip,
      services,
      online,
      connectedDevices,
    }));
    assert.deepEqual(whole, [
      {
        gateway: "gw-1",
        ip: "10.0.0.2",
        services: [mqtts, coap],
        online: true,
        connectedDevices: 23,
      },
      {
        gateway: "gw-2",
        ip: "10.0.0.1",
        services: [{ name: "mqtt", port: 8_883 }],
        online: true,
        connectedDevices: 0,
      },
    ]);
    registry.setOnline("gw-1/2", false);
    registry.setOnline("gw-1/3", false);
    assert.equal(registry.whole()[0]?.online, false);
  });

  test("has nothing to say of a gateway that it does not know", async () => {
    await using made = bench();
    const registry = await made.open();
    registry.heard("gw-9", 1);
    registry.setOnline("gw-9", true);
    assert.deepEqual([registry.list(), registry.nameOf(9), made.changes], [[], "", []]);
  });
});
