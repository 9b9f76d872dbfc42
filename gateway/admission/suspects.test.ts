// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { VirtualClock } from "../../test/helpers/virtual-clock.ts";
import { Suspects } from "./suspects.ts";

describe("suspects", () => {
  test("are those who broke the protocol again and again", () => {
    const suspects = new Suspects({ clock: new VirtualClock() });
    for (let fault = 0; fault < 3; fault += 1) suspects.fault("10.0.0.1");
    assert.equal(suspects.has("10.0.0.1"), false, "as a device that is set up wrongly");
    suspects.fault("10.0.0.1");
    assert.equal(suspects.has("10.0.0.1"), true);
    assert.equal(suspects.has("10.0.0.2"), false);
  });

  test("are forgotten a minute after their last fault", () => {
    const clock = new VirtualClock();
    const suspects = new Suspects({ clock });
    for (let fault = 0; fault < 10; fault += 1) suspects.fault("10.0.0.1");
    clock.advance(59_000);
    assert.equal(suspects.has("10.0.0.1"), true);
    suspects.fault("10.0.0.1");
    clock.advance(59_000);
    assert.equal(suspects.has("10.0.0.1"), true);
    clock.advance(1_000);
    assert.equal(suspects.has("10.0.0.1"), false);
    assert.equal(suspects.size, 0);
  });

  test("are so many at most, those with the latest faults", () => {
    const suspects = new Suspects({ clock: new VirtualClock() });
    for (let fault = 0; fault < 6; fault += 1) suspects.fault("2001:db8::1");
    for (let number = 0; number < 9_999; number += 1) suspects.fault(`10.0.${number}`);
    assert.equal(suspects.has("2001:db8::1"), true);
    suspects.fault("10.1.0.0");
    assert.equal(suspects.has("2001:db8::1"), false);
    assert.equal(suspects.size, 10_000);
  });
});
