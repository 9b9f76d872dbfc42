// SPDX-License-Identifier: Apache-2.0
/** Caps of the bandwidth in a rollout's spec: in the lease, in the offer, refused when wrong. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { offerLeaves } from "../../../protocol/device/offer-batch.ts";
import { digestOf } from "./bench-records.ts";
import { CenterBench } from "./center-bench.ts";
import { sharedApi, testRefused } from "./refused-specs.ts";

const MIB = 2 ** 20;
const CAPS = {
  deviceBytesPerSecond: MIB,
  siteBytesPerSecond: 0,
  gatewayBytesPerSecond: 5 * MIB,
};

describe("caps of the bandwidth", () => {
  test("go to the gateway with the lease, and to the device in the signed offer", async () => {
    await using bench = await CenterBench.open({ devices: 1 });
    bench.connectAll(digestOf("1"));
    await bench.cycle();
    await bench.plan("slow", { bandwidth: CAPS });
    await Promise.all([bench.command("slow", "start"), bench.cycle()]);
    const [sent] = bench.sent;
    assert.deepEqual(sent?.bandwidth, CAPS);
    const offer = JSON.parse(new TextDecoder().decode(offerLeaves(sent.columns)?.[0])) as {
      bytesPerSecond: number;
    };
    assert.equal(offer.bytesPerSecond, MIB);
  });

  test("are a part of what the plan's digest covers", async () => {
    await using bench = await CenterBench.open({ devices: 1 });
    bench.connectAll(digestOf("1"));
    await bench.cycle();
    const digests: string[] = [];
    for (const [name, bandwidth] of [
      ["one", CAPS],
      ["two", { ...CAPS, siteBytesPerSecond: MIB }],
    ] as const) {
      const number = await bench.plan(name, { bandwidth });
      await Promise.all([bench.command(name, "start"), bench.cycle()]);
      digests.push(bench.rollout(number).plan.digest);
    }
    assert.notEqual(digests[0], digests[1]);
  });
});

describe("a cap", () => {
  const RELEASE = { release: "app@1.0.0", selector: "" };
  const sentence = (field: string): RegExp =>
    new RegExp(`spec\\.bandwidth\\.${field} is not between 16KiB/s and 1TiB/s`);
  testRefused(sharedApi(), [
    [
      "of a device that is too small for a connection to live",
      { ...RELEASE, bandwidth: { deviceBytesPerSecond: 100n } },
      sentence("device"),
    ],
    [
      "of a site that is a byte too small",
      { ...RELEASE, bandwidth: { siteBytesPerSecond: 16_383n } },
      sentence("site"),
    ],
    [
      "of a gateway that nothing reaches",
      { ...RELEASE, bandwidth: { gatewayBytesPerSecond: 2n ** 50n } },
      sentence("gateway"),
    ],
  ]);
});
