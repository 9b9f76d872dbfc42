// SPDX-License-Identifier: Apache-2.0
/**
 * A device whose only way out is an HTTP proxy, a real one: what it is told resolves nowhere else.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RolloutState } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { startInstallation, type Installation } from "../helpers/installation.ts";
import { startTinyProxy } from "../helpers/tiny-proxy.ts";
import { haveTools } from "../helpers/tools.ts";

const CENTER = "center.site.invalid";
const GATEWAY = "gw-1.site.invalid";

async function rollOut(installation: Installation, version: string): Promise<void> {
  const { operator } = installation;
  await operator.publishRelease({ version });
  await operator.startRollout(`to-${version}`, { release: `app@${version}`, soakMs: 500n });
  const rollout = await operator.rolloutEnd(`to-${version}`);
  assert.equal(rollout.state, RolloutState.SUCCEEDED, rollout.stateReason);
}

describe("an agent behind an HTTP proxy", { timeout: 180_000 }, () => {
  it("enrols, connects, downloads and reports through it", async (t) => {
    if (!(await haveTools(t, "tinyproxy"))) return;
    await using installation = await startInstallation(t);
    const { folder, roles } = installation;
    await using proxy = await startTinyProxy({ folder, signal: t.signal });
    const gateway = installation.gateway();
    const mqtts = `${GATEWAY}:${gateway.port("mqttsPort")}`;
    const enrolment = `${CENTER}:${roles.center.port("enrolmentPort")}`;
    const flags = { "enrolment-url": `https://${enrolment}`, proxy: proxy.url };
    const address = `${mqtts}:${gateway.port("artifactsPort")}`;
    await roles.startAgent({ id: "till-1", inventory: {}, flags: { ...flags, gateway: address } });
    await rollOut(installation, "1.0.0");
    const artifacts = `${GATEWAY}:${gateway.port("artifactsPort")}`;
    assert.deepEqual(new Set(proxy.targets), new Set([enrolment, mqtts, artifacts]));
  });

  it("goes by HTTPS_PROXY and NO_PROXY, and by one port", async (t) => {
    if (!(await haveTools(t, "tinyproxy"))) return;
    await using installation = await startInstallation(t, {
      gatewayFlags: { "artifacts-port": "mqtts" },
    });
    const { folder, roles } = installation;
    await using proxy = await startTinyProxy({
      folder,
      signal: t.signal,
      lines: ["BasicAuth till secret"],
    });
    const environment = {
      HTTPS_PROXY: `http://till:secret@127.0.0.1:${proxy.port}`,
      NO_PROXY: "example.org,localhost",
    };
    const port = installation.gateway().port("mqttsPort");
    const flags = { gateway: `${GATEWAY}:${port}` };
    await roles.startAgent({ id: "till-1", inventory: {}, flags }, environment);
    await rollOut(installation, "1.0.0");
    assert.deepEqual(new Set(proxy.targets), new Set([`${GATEWAY}:${port}`]));
  });
});
