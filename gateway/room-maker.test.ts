// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SILENT_LOGGER } from "../ports/logger.ts";
import { VirtualClock } from "../test/helpers/virtual-clock.ts";
import { RoomMaker } from "./room-maker.ts";
import type { CloseCause, DeviceLink } from "./sessions/device-link.ts";
import { SessionTable } from "./sessions/session-table.ts";

const DEVICES = 12;

/** Twelve devices over MQTT, one over CoAP, and a connection that has not said who it is. */
function bench(failures = 0) {
  const clock = new VirtualClock();
  const table = new SessionTable({ maxSlots: 100 });
  const closed: number[] = [];
  const connect = (): number => {
    const link = {
      close: (_cause: CloseCause) => {
        closed.push(slot);
        table.release(slot);
      },
    } as unknown as DeviceLink;
    const slot: number = table.take(link);
    return slot;
  };
  const open = (device: string, protocolLevel: number): number => {
    const slot = connect();
    table.open(slot, { tenant: "default", device, protocolLevel, keepAliveSeconds: 0 });
    return slot;
  };
  const coap = open("coap", 0);
  for (let index = 0; index < DEVICES; index += 1) open(`dev-${index}`, 5);
  const stranger = connect();
  const said: string[] = [];
  let failuresLeft = failures;
  const listener = {
    stopAccepting: () => void said.push("stop"),
    acceptAgain: async () => {
      said.push("again");
      if (failuresLeft-- > 0) throw new Error("the port is taken");
    },
  };
  const room = new RoomMaker({ table, listeners: [listener], clock, logger: SILENT_LOGGER });
  return { clock, room, closed, said, untouched: [coap, stranger] };
}

async function pass(clock: VirtualClock, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 20) {
    clock.advance(20);
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  }
}

describe("a worker that makes room", () => {
  test("sends its part away, takes nobody meanwhile, and listens again", async () => {
    const { clock, room, closed, said, untouched } = bench();
    const made = room.make(1 / 3);
    assert.equal(room.make(1 / 2), made, "one at a time");
    assert.deepEqual(said, ["stop"]);
    await pass(clock, 2_900);
    assert.equal(closed.length, DEVICES / 3);
    assert.deepEqual(said, ["stop"]);
    await pass(clock, 200);
    await made;
    assert.deepEqual(said, ["stop", "again"]);
    assert(!untouched.some((slot) => closed.includes(slot)), "CoAP has no connection to move");
    void room.make(1 / 4);
    await pass(clock, 3_100);
    assert.equal(closed.length, DEVICES / 3 + 2);
  });

  test("tries until it has its port again", async () => {
    const { clock, room, said } = bench(2);
    const made = room.make(1 / 2);
    await pass(clock, 5_100);
    await made;
    assert.deepEqual(said, ["stop", "again", "again", "again"]);
  });

  test("does not listen again when the gateway ends meanwhile", async () => {
    const { room, said } = bench();
    const made = room.make(1 / 2);
    await room.stop();
    await made;
    await room.make(1 / 2);
    assert.deepEqual(said, ["stop"]);
  });
});
