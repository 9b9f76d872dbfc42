// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { SILENT_LOGGER } from "../../ports/logger.ts";
import { ReliefSchema } from "../../protocol/gen/muster/v1/gateway_pb.ts";
import { VirtualClock } from "../../test/helpers/virtual-clock.ts";
import { Redirects } from "./redirects.ts";

type Places = MessageInitShape<typeof ReliefSchema>["places"];

function place(ip: string, room: number, name = "mqtts") {
  return { gateway: `gw-${ip}`, ip, room, services: [{ name, port: 8_883 }] };
}

function told(places: Places): { redirects: Redirects; clock: VirtualClock } {
  const clock = new VirtualClock();
  const redirects = new Redirects({ limit: 10, clock, logger: SILENT_LOGGER });
  redirects.replace(create(ReliefSchema, { places: places ?? [] }));
  return { redirects, clock };
}

describe("redirects", () => {
  test("name who has most room, as often as it has room", () => {
    const { redirects } = told([place("10.0.0.1", 1), place("10.0.0.2", 2)]);
    const drawn = Array.from({ length: 4 }, () => redirects.draw("mqtts"));
    const [first, second, third, fourth] = drawn;
    assert.equal(first, "10.0.0.2:8883");
    assert.deepEqual(new Set([second, third]), new Set(["10.0.0.1:8883", "10.0.0.2:8883"]));
    assert.equal(fourth, null);
  });

  test("name nobody without the listener that the device came to", () => {
    const { redirects } = told([place("10.0.0.1", 9)]);
    assert.equal(redirects.draw("insecure-mqtt"), null);
    assert.notEqual(redirects.draw("mqtts"), null);
  });

  test("name nobody when nothing was said for three heartbeats", () => {
    const { redirects, clock } = told([place("10.0.0.1", 9)]);
    clock.advance(15_000);
    assert.equal(redirects.draw("mqtts"), "10.0.0.1:8883");
    clock.advance(1);
    assert.equal(redirects.draw("mqtts"), null);
  });

  test("write an IPv6 address in brackets", () => {
    const { redirects } = told([place("2001:db8::1", 1)]);
    assert.equal(redirects.draw("mqtts"), "[2001:db8::1]:8883");
  });
});
