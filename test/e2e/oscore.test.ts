// SPDX-License-Identifier: Apache-2.0
/**
 * Devices with OSCORE keys, imported as an operator would, in a real installation: aiocoap is one
 * of them, through a rollout, and over restarts of its gateway and itself.
 */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { RolloutState, Presence } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import type { OfferPayload } from "../../protocol/device/offer.ts";
import { AIOCOAP, AiocoapDevice, type AiocoapKeys } from "../helpers/aiocoap-device.ts";
import { startInstallation, type Installation } from "../helpers/installation.ts";
import { haveTools, runTool } from "../helpers/tools.ts";
import { until } from "../helpers/until.ts";

const TIMEOUT_MS = 180_000;
const WAIT_MS = 30_000;
const DEVICE = "press-7";
const KEYS: AiocoapKeys = {
  senderId: "0a01",
  masterSecret: "0102030405060708090a0b0c0d0e0f10",
  masterSalt: "9e7ca92223786340",
};
const HELLO = {
  protocol: 1,
  agent: "aiocoap/0.4",
  codec: "json",
  inventory: { hwRevision: "a" },
  slots: {},
};

async function importDevices(installation: Installation, rows: readonly string[]): Promise<string> {
  const file = installation.folder.join("devices.csv");
  const header = "id,region,oscoreSenderId,oscoreSecret,oscoreSalt";
  await writeFile(file, [header, ...rows, ""].join("\n"));
  const connection = ["--server", installation.apiUrl, "--token-file", installation.tokenFile];
  const words = ["cli/main.ts", "device", "import", file, ...connection];
  const { status, stdout, stderr } = await runTool(process.execPath, words, { cwd: process.cwd() });
  assert.equal(status, 0, stderr);
  return stdout.trim();
}

describe("a device under OSCORE", { timeout: TIMEOUT_MS }, () => {
  it("is imported with its keys, and ends its rollout over restarts", async (t) => {
    if (!(await haveTools(t, AIOCOAP))) return;
    await using installation = await startInstallation(t, { gatewayFlags: { "coap-port": 0 } });
    const { operator, folder, roles } = installation;
    const { senderId, masterSecret, masterSalt } = KEYS;
    const row = `${DEVICE},local,${senderId},${masterSecret},${masterSalt}`;
    assert.match(await importDevices(installation, [row, "press-8,local,,,"]), /^2 created/);
    const port = installation.gateway().port("coapPort");
    const context = folder.join("context");
    const wait = { timeoutMs: WAIT_MS, signal: t.signal };
    const presence = async (): Promise<Presence | undefined> =>
      (await operator.client.getDevice({ id: DEVICE })).device?.presence;

    const first = await AiocoapDevice.start(context, { port, keys: KEYS });
    assert.deepEqual(await first.ask("POST", "v1/hello", HELLO), { code: "2.04", payload: "" });
    await until("it is online", async () => (await presence()) === Presence.ONLINE, wait);
    assert.match((await first.ask("GET", ".well-known/core")).payload, /<\/v1\/offer>/);
    assert.equal((await first.ask("POST", "v1/nothing", {})).code, "4.04");
    await first.stop();

    // It was started anew, and goes on with its numbers; then its gateway is.
    await using device = await AiocoapDevice.start(context, { port });
    let sequence = 0;
    const beat = (slots: object): ReturnType<AiocoapDevice["ask"]> =>
      device.ask("POST", "v1/heartbeat", { sequence: (sequence += 1), slots });
    assert.equal((await beat({})).code, "2.04");
    const gateway = installation.gateway();
    await gateway.kill();
    await roles.startGateway("gw-1");
    assert.equal((await beat({})).code, "4.09", "the new gateway asks for a hello");
    assert.equal((await device.ask("POST", "v1/hello", HELLO)).code, "2.04");
    await until("it is online", async () => (await presence()) === Presence.ONLINE, wait);
    assert.deepEqual(await device.ask("OBSERVE", "v1/offer"), { code: "2.05", payload: "" });

    const release = await operator.publishRelease({ version: "1.0.0" });
    const spec = { release: "app@1.0.0", soakMs: 2_000n, selector: `id = ${DEVICE}` };
    await operator.startRollout("first", spec);
    const offered = device.next();
    const notification = await offered;
    const { payload } = JSON.parse(notification.payload) as { payload: string };
    const offer = JSON.parse(Buffer.from(payload, "base64").toString("utf8")) as OfferPayload;
    assert.equal(offer.device, DEVICE);

    const { rollout, position, generation } = offer;
    for (const [index, phase] of ["accepted", "installing", "installed"].entries()) {
      const report = { rollout, position, generation, sequence: index + 1, phase };
      assert.equal((await device.ask("POST", "v1/report", report)).code, "2.04", phase);
    }
    const app = { digest: release.sha256, version: "1.0.0", generation, health: "healthy" };
    let isEnded = false;
    const ended = operator.rolloutEnd("first").finally(() => (isEnded = true));
    const isDone = async (): Promise<boolean> => {
      assert.equal((await beat({ app })).code, "2.04");
      return isEnded;
    };
    await until("the rollout has ended", isDone, { ...wait, timeoutMs: 60_000 });
    assert.equal((await ended).state, RolloutState.SUCCEEDED);
  });

  it("with other keys than the center has, or none, is refused", async (t) => {
    if (!(await haveTools(t, AIOCOAP))) return;
    await using installation = await startInstallation(t, { gatewayFlags: { "coap-port": 0 } });
    const { folder, operator } = installation;
    const { senderId, masterSecret, masterSalt } = KEYS;
    await importDevices(installation, [
      `${DEVICE},local,${senderId},${masterSecret},${masterSalt}`,
    ]);
    const port = installation.gateway().port("coapPort");
    const other = { ...KEYS, masterSecret: masterSecret.replace("01", "ff") };
    await using thief = await AiocoapDevice.start(folder.join("thief"), { port, keys: other });
    await assert.rejects(thief.ask("POST", "v1/hello", HELLO));
    const unknown = { ...KEYS, senderId: "0a02" };
    await using stranger = await AiocoapDevice.start(folder.join("none"), { port, keys: unknown });
    await assert.rejects(stranger.ask("POST", "v1/hello", HELLO));
    const { device } = await operator.client.getDevice({ id: DEVICE });
    assert.equal(device?.oscoreSenderId, senderId);
    assert.equal(device.gateway, "", "it never had a session");
  });
});
