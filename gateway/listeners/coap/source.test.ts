// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { readSource, SOURCE_BYTES, writeSource } from "./source.ts";

function written(address: string, port = 5_683): Buffer | null {
  const bytes = Buffer.alloc(SOURCE_BYTES + 2, 0xa5);
  if (!writeSource(bytes, 1, { address, port })) return null;
  assert.equal(bytes[0], 0xa5);
  assert.equal(bytes[SOURCE_BYTES + 1], 0xa5);
  return bytes.subarray(1, SOURCE_BYTES + 1);
}

describe("the source of a datagram", () => {
  test("is the same place however the address is written", () => {
    const forms = [
      ["192.0.2.1", "::ffff:192.0.2.1", "::ffff:c000:201", "0:0:0:0:0:ffff:c000:0201"],
      ["2001:db8::1", "2001:db8:0:0:0:0:0:1", "2001:0DB8::0001"],
      ["::", "0:0:0:0:0:0:0:0"],
      ["::1"],
      ["fe80::", "fe80:0::0"],
    ];
    for (const same of forms) {
      const places = same.map((address) => written(address));
      for (const place of places) assert.deepEqual(place, places[0], same.join(" "));
    }
    assert.notDeepEqual(written("192.0.2.1"), written("192.0.2.2"));
    assert.notDeepEqual(written("192.0.2.1", 1), written("192.0.2.1", 2));
  });

  test("comes back in a form that a socket takes", () => {
    const place = written("::ffff:192.0.2.1", 40_000);
    assert.ok(place !== null);
    assert.deepEqual(readSource(place, 0), { address: "192.0.2.1", port: 40_000 });
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), fc.nat(0xffff), (address, port) => {
        const bytes = written(address, port);
        assert.ok(bytes !== null);
        const read = readSource(bytes, 0);
        assert.equal(read.port, port);
        assert.deepEqual(written(read.address, port), bytes);
      }),
    );
  });

  test("is none when it has a zone or is no address", () => {
    for (const address of [
      "fe80::1%eth0",
      "1.2.3",
      "1.2.3.4.5",
      "256.1.1.1",
      "1..2.3",
      "a.b.c.d",
    ]) {
      assert.equal(written(address), null, address);
    }
    for (const address of ["1::2::3", ":1", "1:2:3:4:5:6:7:8:9", "::1:2:3:4:5:6:7:8", "g::"]) {
      assert.equal(written(address), null, address);
    }
  });
});
