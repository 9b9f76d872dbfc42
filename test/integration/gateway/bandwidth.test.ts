// SPDX-License-Identifier: Apache-2.0
/** Caps of rollouts at a real gateway: what it counts, for whom, and who is told to come again. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { RolloutBandwidthSchema } from "../../../protocol/gen/muster/v1/gateway_pb.ts";
import { until } from "../../helpers/until.ts";
import { get, publishBlob } from "./artifact-client.ts";
import { GatewayFixture } from "./gateway-fixture.ts";

const BLOB = Buffer.alloc(200_000, 7);
const ROLLOUT = 17;
const SLOW_ROLLOUT = 18;
const CAPS = {
  deviceBytesPerSecond: 10_000_000n,
  siteBytesPerSecond: 20_000_000n,
  gatewayBytesPerSecond: 40_000_000n,
};

const bound = { timeoutMs: 20_000, signal: new AbortController().signal };

/** A gateway with a device of site 1 and one of site 2, and two rollouts with caps. */
async function started(context: Parameters<typeof GatewayFixture.start>[0]) {
  const fixture = await GatewayFixture.start(context);
  fixture.center.sites.set("pump-1", 1);
  fixture.center.sites.set("pump-2", 2);
  await fixture.connectGranted("pump-1");
  await fixture.connectGranted("pump-2");
  const slow = { deviceBytesPerSecond: 0n, siteBytesPerSecond: 16_384n, gatewayBytesPerSecond: 0n };
  fixture.center.send({
    case: "rolloutBandwidth",
    value: create(RolloutBandwidthSchema, {
      caps: [
        { rollout: ROLLOUT, ...CAPS },
        { rollout: SLOW_ROLLOUT, ...slow },
      ],
    }),
  });
  const sha256 = publishBlob(fixture, BLOB);
  const fetch = async (device: string, rollout: number, method = "GET") => {
    const headers = { "muster-rollout": String(rollout) };
    const path = `/artifacts/sha256/${sha256}`;
    return get(fixture, await fixture.enrol(device), path, { method, headers });
  };
  const areKnown = async (): Promise<boolean> => {
    await fetch("pump-1", ROLLOUT);
    return (await fixture.metric("capped_bytes_total", { place: "site" })) > 0;
  };
  await until("the caps are known", areKnown, bound);
  return { fixture, fetch };
}

describe("caps of a rollout", () => {
  test("are paid for by what is fetched for it, at device, site and gateway", async (context) => {
    const { fixture, fetch } = await started(context);
    const paid = (place: string): Promise<number> =>
      fixture.metric("capped_bytes_total", { place });
    const before = await Promise.all(["gateway", "site", "device"].map(paid));
    const answers = await Promise.all([fetch("pump-1", ROLLOUT), fetch("pump-2", ROLLOUT)]);
    assert.deepEqual(
      answers.map(({ status, body }) => [status, body.equals(BLOB)]),
      [
        [200, true],
        [200, true],
      ],
    );
    const after = await Promise.all(["gateway", "site", "device"].map(paid));
    const moved = after.map((bytes, index) => bytes - (before[index] ?? 0));
    assert.deepEqual(moved, [2 * BLOB.length, 2 * BLOB.length, 2 * BLOB.length]);
    await fetch("pump-1", 99);
    assert.deepEqual(await Promise.all(["gateway", "site", "device"].map(paid)), after);
  });

  test("of one site do not hold up another site, nor rollouts without caps", async (context) => {
    const { fetch } = await started(context);
    // A first piece each, of 64 KiB: they wait for their turn until the gateway ends.
    for (let count = 0; count < 10; count += 1) fetch("pump-1", SLOW_ROLLOUT).catch(() => {});
    const head = async (device: string, rollout: number): Promise<number> =>
      (await fetch(device, rollout, "HEAD")).status;
    const isTaken = async (): Promise<boolean> => (await head("pump-1", SLOW_ROLLOUT)) === 503;
    await until("the site's bandwidth is taken", isTaken, bound);
    assert.equal(await head("pump-2", SLOW_ROLLOUT), 200, "another site");
    assert.equal(await head("pump-1", 99), 200, "a rollout without caps");
  });
});
