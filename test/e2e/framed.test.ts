// SPDX-License-Identifier: Apache-2.0
/**
 * A device that speaks framed TCP, in a real installation whose gateway has two workers: presence,
 * an offer, reports, evidence, and the end of its rollout.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { enrolInMemory } from "../../agent/trust/enrol.ts";
import { WorkingTime } from "../../agent/trust/working-time.ts";
import { Presence, RolloutState } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import type { OfferPayload } from "../../protocol/device/offer.ts";
import { systemClock } from "../../runtime/system-clock.ts";
import { FramedDevice } from "../helpers/framed-device.ts";
import { startInstallation } from "../helpers/installation.ts";
import { until } from "../helpers/until.ts";

const TIMEOUT_MS = 120_000;
const WAIT_MS = 20_000;
const DEVICE = "press-7";
const WORKERS = 2;

// Only there do processes share a port.
const CONDITIONS = { timeout: TIMEOUT_MS, skip: process.platform !== "linux" };

describe("a device over framed TCP", CONDITIONS, () => {
  it("is offered a release, reports, ends its rollout and says goodbye", async (t) => {
    await using installation = await startInstallation(t, {
      gatewayFlags: { "framed-port": 0, workers: WORKERS },
    });
    const { operator, enrolmentUrl } = installation;
    const token = await operator.enrolDevice(DEVICE);
    const workingTime = new WorkingTime({ clock: systemClock, floorMs: 0 });
    const { signal } = t;
    const enrolled = await enrolInMemory({ enrolmentUrl, token, workingTime, signal });
    const { keyPem: key, certPem: cert, caPem: ca } = enrolled;
    const port = installation.gateway().port("framedPort");
    const device = await FramedDevice.connect({ port, identity: { key, cert, ca } });
    assert.equal((await device.hello())?.refusal, "");
    const wait = { timeoutMs: WAIT_MS, signal };
    const presence = async (): Promise<Presence | undefined> =>
      (await operator.client.getDevice({ id: DEVICE })).device?.presence;
    await until("it is online", async () => (await presence()) === Presence.ONLINE, wait);

    const release = await operator.publishRelease({ version: "1.0.0" });
    await operator.startRollout("first", { release: "app@1.0.0", soakMs: 2_000n });
    await until("an offer has come", async () => device.heard.length > 0, wait);
    const { payload } = JSON.parse(device.heard[0]?.text ?? "") as { payload: string };
    const offer = JSON.parse(Buffer.from(payload, "base64").toString("utf8")) as OfferPayload;
    assert.equal(offer.device, DEVICE);

    const { rollout, position, generation } = offer;
    for (const [index, phase] of ["accepted", "installing", "installed"].entries()) {
      const report = { rollout, position, generation, sequence: index + 1, phase };
      assert.equal((await device.say("report", report))?.refusal, "", phase);
    }
    const app = { digest: release.sha256, version: "1.0.0", generation, health: "healthy" };
    device.mention("heartbeat", { sequence: 1, slots: { app } });
    const ended = await operator.rolloutEnd("first");
    assert.equal(ended.state, RolloutState.SUCCEEDED, ended.stateReason);
    await device.leave();
    await until("it is offline", async () => (await presence()) === Presence.OFFLINE, wait);
  });
});
