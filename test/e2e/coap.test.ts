// SPDX-License-Identifier: Apache-2.0
/**
 * A device that speaks CoAP, in libcoap's client, in a real installation: presence, an offer,
 * reports, evidence, and the end of its rollout.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Presence, RolloutState } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import type { OfferPayload } from "../../protocol/device/offer.ts";
import { askCoap, COAP_CLIENT, observeCoap } from "../helpers/coap-client.ts";
import { startInstallation } from "../helpers/installation.ts";
import { haveTools } from "../helpers/tools.ts";
import { until } from "../helpers/until.ts";

const TIMEOUT_MS = 120_000;
const WAIT_MS = 20_000;
const DEVICE = "press-7";

describe("a device over CoAP", { timeout: TIMEOUT_MS }, () => {
  it("is offered a release on the insecure listener, reports, and ends its rollout", async (t) => {
    if (!(await haveTools(t, COAP_CLIENT))) return;
    await using installation = await startInstallation(t, {
      gatewayFlags: { "insecure-coap-port": 0 },
    });
    const { operator, folder } = installation;
    const port = installation.gateway().port("insecureCoapPort");
    const call = { port, device: DEVICE };
    const post = async (path: string, payload: object): Promise<void> => {
      const result = await askCoap({ ...call, path, payload }, folder.path);
      assert.deepEqual([result.status, result.stderr], [0, ""], path);
    };
    const presence = async (): Promise<Presence | undefined> =>
      (await operator.client.getDevice({ id: DEVICE })).device?.presence;

    await operator.enrolDevice(DEVICE);
    const release = await operator.publishRelease({ version: "1.0.0" });
    await post("v1/hello", {
      protocol: 1,
      agent: "libcoap/4",
      codec: "json",
      inventory: { hwRevision: "a" },
      slots: {},
    });
    const wait = { timeoutMs: WAIT_MS, signal: t.signal };
    await until("the device is online", async () => (await presence()) === Presence.ONLINE, wait);
    let sequence = 0;
    const beat = (slots: object): Promise<void> =>
      post("v1/heartbeat", { sequence: (sequence += 1), slots });

    await using watch = observeCoap({ ...call, path: "v1/offer" }, 60, folder.path);
    let heard = "";
    watch.child.stdout?.on("data", (chunk: string) => (heard += chunk.replaceAll("\n", "")));
    await operator.startRollout("first", { release: "app@1.0.0", soakMs: 2_000n });
    await until("an offer has come", async () => (await beat({}), isWhole(heard)), wait);
    const { payload } = JSON.parse(heard) as { payload: string };
    const offer = JSON.parse(Buffer.from(payload, "base64").toString("utf8")) as OfferPayload;
    assert.equal(offer.device, DEVICE);

    const { rollout, position, generation } = offer;
    const phases = ["accepted", "downloading", "installing", "installed"];
    for (const [index, phase] of phases.entries()) {
      await post("v1/report", { rollout, position, generation, sequence: index + 1, phase });
    }
    const app = { digest: release.sha256, version: "1.0.0", generation, health: "healthy" };
    let isEnded = false;
    const ended = operator.rolloutEnd("first").finally(() => (isEnded = true));
    await until("the rollout has ended", async () => (await beat({ app }), isEnded), {
      ...wait,
      timeoutMs: 60_000,
    });
    assert.equal((await ended).state, RolloutState.SUCCEEDED);
    await until("it is offline", async () => (await presence()) === Presence.OFFLINE, wait);
  });
});

function isWhole(text: string): boolean {
  return text.startsWith("{") && text.endsWith("}");
}
