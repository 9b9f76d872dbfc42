// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { systemRandom } from "../runtime/system-random.ts";
import { VirtualClock } from "../test/helpers/virtual-clock.ts";
import { rotateTicketKeys, TICKET_KEYS_LIFETIME_MS } from "./ticket-keys.ts";

function bench(): { clock: VirtualClock; used: Uint8Array[]; stop: () => void } {
  const clock = new VirtualClock();
  const used: Uint8Array[] = [];
  const user = { useTicketKeys: (keys: Uint8Array) => void used.push(keys) };
  const stop = rotateTicketKeys({ clock, random: systemRandom, user });
  return { clock, used, stop };
}

describe("ticket keys", () => {
  test("are there from the start, and others after each day", () => {
    const { clock, used } = bench();
    assert.equal(used.length, 1);
    clock.advance(TICKET_KEYS_LIFETIME_MS - 1);
    assert.equal(used.length, 1);
    clock.advance(1);
    assert.equal(used.length, 2);
    clock.advance(TICKET_KEYS_LIFETIME_MS);
    assert.equal(used.length, 3);
    assert.deepEqual(
      used.map(({ byteLength }) => byteLength),
      [48, 48, 48],
    );
    assert.equal(new Set(used.map((keys) => Buffer.from(keys).toString("hex"))).size, 3);
  });

  test("are not drawn any more when that is ended", () => {
    const { clock, used, stop } = bench();
    clock.advance(TICKET_KEYS_LIFETIME_MS);
    stop();
    clock.advance(TICKET_KEYS_LIFETIME_MS * 3);
    assert.equal(used.length, 2);
  });
});
