// SPDX-License-Identifier: Apache-2.0
/**
 * A rollout whose reports go through Kafka, every role a process: the broker is killed with -9 in
 * its midst and comes back. What devices reported meanwhile waits, nobody counts as lost.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { RolloutState, type Rollout } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { startKafka } from "../../../scripts/servers/kafka.ts";
import { checkAll } from "../../../simulator/checkers/checkers.ts";
import { deviceGroup, Fleet } from "../../chaos/fleet.ts";
import { until } from "../../helpers/until.ts";
import { newTopic } from "./kafka-under-test.ts";

const DEVICES = 60;
const SUCCEEDED_AT_KILL = 10;
const TIMEOUT_MS = 90_000;

function succeededOf(rollout: Rollout): number {
  return rollout.progress?.byState["succeeded"] ?? 0;
}

describe("a rollout through Kafka", { timeout: TIMEOUT_MS * 2 }, () => {
  it("loses nothing when the broker is killed in its midst", async (t) => {
    await using server = await startKafka();
    const [broker] = server.nodes;
    assert(broker !== undefined);
    await using fleet = await Fleet.start({
      devices: deviceGroup("till", "good", DEVICES),
      seed: 1,
      gateways: ["gw-1"],
      pace: { installMs: [300, 900], checkMs: [50, 200] },
      offerLifetimeMs: 60_000,
      leaseLifetimeMs: 30_000,
      centerFlags: { "event-log": server.url(newTopic()) },
      signal: t.signal,
    });
    const logged = async (text: string): Promise<boolean> =>
      (await readFile(fleet.installation.at("center.log"), "utf8")).includes(text);
    const wait = { timeoutMs: 60_000, signal: t.signal };
    await fleet.publish("1.0.0");
    await fleet.startRollout("first", {
      selector: "",
      release: "shop@1.0.0",
      waves: [10, 90].map((value) => ({ kind: { case: "percent", value } })),
      maxInFlight: { kind: { case: "count", value: 15 } },
      soakMs: 500n,
      // Some are over before a broker is back; they stand still meanwhile.
      deadlines: { reachMs: 6_000n, downloadMs: 8_000n, installMs: 8_000n, verifyMs: 8_000n },
    });
    const isUnderWay = (rollout: Rollout): boolean => succeededOf(rollout) >= SUCCEEDED_AT_KILL;
    const before = await fleet.lookUntil("first", "is under way", isUnderWay, TIMEOUT_MS);
    await broker.kill();
    assert.equal(before.state, RolloutState.RUNNING);
    await until("the center notices", () => logged("the event log is away"), wait);
    const { session } = fleet.installation;
    await session.client.pauseRollout({ mutation: session.mutation("away"), name: "first" });
    await session.client.resumeRollout({ mutation: session.mutation("away"), name: "first" });
    await broker.start();
    await until("the center has it again", () => logged("the event log is back"), wait);
    const rollout = await fleet.rolloutEnd("first", TIMEOUT_MS);
    assert.equal(rollout.state, RolloutState.SUCCEEDED, rollout.stateReason);
    assert.equal(succeededOf(rollout), DEVICES);
    const history = await fleet.history();
    assert.deepEqual(checkAll(history), []);
  });
});
