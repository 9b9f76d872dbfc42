// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { DeviceFacts } from "./device.ts";
import { MAX_SLICES, sliceFact, slicePlan, type SliceFact, type SlicedPlan } from "./slices.ts";

function device(ordinal: number, facts: Partial<DeviceFacts> = {}): DeviceFacts {
  return {
    ordinal,
    id: `device-${ordinal}`,
    region: "eu",
    site: "",
    labels: {},
    inventory: {},
    serviceLevel: "",
    critical: false,
    retired: false,
    ...facts,
  };
}

const fact = (name: string): SliceFact => sliceFact(name, () => "app@1");

/** Slice names by position, one list a fact. */
function namesOf({ columns, slices }: SlicedPlan): (string | undefined)[][] {
  return columns.map((column) => Array.from(column, (slice) => slices[slice]?.name));
}

describe("a plan is sliced", () => {
  test("by each fact that is named, those that do not state it apart", () => {
    const devices = [
      device(1, { region: "us", labels: { ring: "canary" } }),
      device(2, { inventory: { hwRevision: "c" } }),
      device(3, { labels: { ring: "canary" }, inventory: { hwRevision: "c" } }),
    ];
    const plan = slicePlan(devices, ["region", "label.ring", "inventory.hwRevision"].map(fact));
    assert.deepEqual(namesOf(plan), [
      ["region us", "region eu", "region eu"],
      ["label.ring canary", "label.ring not stated", "label.ring canary"],
      ["inventory.hwRevision not stated", "inventory.hwRevision c", "inventory.hwRevision c"],
    ]);
    assert.deepEqual(plan.slices[0], { name: "region eu", deviceCount: 2, siteCount: 2 });
  });

  test("not by a fact in which all are alike: it would cost a share of the false alarm", () => {
    const devices = [device(1), device(2)];
    assert.deepEqual(slicePlan(devices, [fact("region"), fact("previousRelease")]).slices, []);
  });

  test("into a bounded number of slices: the largest, and one of all others", () => {
    const devices = Array.from({ length: 300 }, (_, index) =>
      // The first hundred rings have two devices each, the other hundred one.
      device(index, { labels: { ring: String(index % 200) }, region: `r${index % 2}` }),
    );
    const plan = slicePlan(devices, [fact("label.ring"), fact("region")]);
    assert.equal(plan.slices.length, MAX_SLICES / 2 + 2);
    const counts = plan.slices.map(({ deviceCount }) => deviceCount);
    assert.deepEqual(
      counts.slice(0, 31),
      Array.from({ length: 31 }, () => 2),
    );
    assert.deepEqual(plan.slices[31], {
      name: "label.ring: any other",
      deviceCount: 300 - 62,
      siteCount: 300 - 62,
    });
    assert.deepEqual(counts.slice(32), [150, 150]);
    for (const column of plan.columns) {
      const byColumn = new Map<number, number>();
      for (const slice of column) byColumn.set(slice, (byColumn.get(slice) ?? 0) + 1);
      for (const [slice, count] of byColumn) assert.equal(plan.slices[slice]?.deviceCount, count);
    }
  });

  test("at sites: of one name in two regions there are two, and none is a site of its own", () => {
    const devices = [
      device(1, { site: "a" }),
      device(2, { site: "a", region: "us" }),
      device(3, { site: "a" }),
      device(4),
      device(5),
    ];
    const { sites, siteCount } = slicePlan(devices, []);
    assert.deepEqual([...sites], [0, 1, 0, 2, 3]);
    assert.equal(siteCount, 4);
  });

  test("not at all where everybody stands at one site", () => {
    const devices = [device(1, { site: "a" }), device(2, { site: "a" })];
    assert.equal(slicePlan(devices, []).siteCount, 0);
  });
});

describe("a fact that is none is refused with what there is", () => {
  for (const name of ["", "sites", "label.", "label", "inventory.a b", "id", "toString"]) {
    test(JSON.stringify(name), () => {
      assert.throws(() => fact(name), {
        code: "invalid_argument",
        message: `${JSON.stringify(name)} is no fact that devices are sliced by`,
      });
    });
  }

  test("a site, because those are counted anyway", () => {
    assert.throws(
      () => fact("site"),
      ({ detail }: { detail: { hint: string } }) => detail.hint.startsWith("sites are counted"),
    );
  });

  test("names of an object are no facts of a device", () => {
    assert.equal(fact("label.constructor").read(device(1)), undefined);
  });
});
