// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { VirtualClock } from "../../test/helpers/virtual-clock.ts";
import type { GatewayStatus } from "./gateway-registry.ts";
import { Relief } from "./relief.ts";

function gateway(
  name: string,
  connectedDevices: number,
  more: Partial<GatewayStatus> = {},
): GatewayStatus {
  return {
    number: 1,
    gateway: name,
    region: "eu",
    ip: `ip-of-${name}`,
    services: [{ name: "mqtts", port: 8_883 }],
    registeredAtMs: 0,
    version: "1",
    connectionLimit: 100,
    online: true,
    lastSeenAtMs: 0,
    changedAtMs: 0,
    connectedDevices,
    ...more,
  };
}

/** For gateway number 1; `whole`: what the registry has, its workers joined. */
function bench(who: GatewayStatus, whole: readonly GatewayStatus[]) {
  const clock = new VirtualClock();
  let all = [...whole];
  const gateways = {
    statusOf: (number: number) => (number === 1 ? who : null),
    whole: () => all,
  };
  return {
    clock,
    relief: new Relief({ gateways, clock }),
    change: (now: readonly GatewayStatus[]) => void (all = [...now]),
  };
}

describe("relief", () => {
  test("is nothing for a gateway that has room, or that has no limit", () => {
    const others = [gateway("gw-2", 0)];
    assert.equal(bench(gateway("gw-1", 74), others).relief.placesFor(1), null);
    assert.equal(bench(gateway("gw-1", 75), others).relief.placesFor(1)?.length, 1);
    const unlimited = gateway("gw-1", 75, { connectionLimit: 0 });
    assert.equal(bench(unlimited, others).relief.placesFor(1), null);
    assert.equal(bench(gateway("gw-1", 99), others).relief.placesFor(2), null, "nobody's number");
  });

  test("is the others of its region that are online and have room, most first", () => {
    const { relief } = bench(gateway("gw-1/2", 99), [
      gateway("gw-1", 10),
      gateway("half", 50),
      gateway("empty", 0),
      gateway("full", 100),
      gateway("over", 120),
      gateway("gone", 0, { online: false }),
      gateway("far", 0, { region: "us" }),
      gateway("old", 0, { connectionLimit: 0 }),
    ]);
    const places = relief.placesFor(1) ?? [];
    assert.deepEqual(
      places.map((place) => [place.gateway, place.ip, place.room]),
      [
        ["empty", "ip-of-empty", 100],
        ["half", "ip-of-half", 50],
      ],
    );
  });

  test("is eight of them at most, and worked out once a second", () => {
    const names = Array.from({ length: 20 }, (_, index) => gateway(`gw-${index + 2}`, index));
    const who = gateway("gw-1", 90);
    const { relief, clock, change } = bench(who, [who, ...names]);
    assert.equal(relief.placesFor(1)?.length, 8);
    change([who]);
    assert.equal(relief.placesFor(1)?.length, 8);
    clock.advance(1_000);
    assert.deepEqual(relief.placesFor(1), []);
  });
});
