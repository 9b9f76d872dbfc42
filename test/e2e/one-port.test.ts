// SPDX-License-Identifier: Apache-2.0
/**
 * A device that is told of one port and no other: it enrols at the center through its gateway,
 * connects, downloads, installs and reports. The gateway is of several workers, of which one has
 * the artifacts.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { request } from "node:https";
import { describe, it } from "node:test";
import { RolloutState } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { startInstallation, type Installation } from "../helpers/installation.ts";

const DEVICE = "till-1";
const WORKERS = 2;

/** Status of a request on a connection of its own, so that the system chooses the worker. */
async function ask(installation: Installation, port: number, path: string): Promise<number> {
  const { roles } = installation;
  const [key, cert, ca] = await Promise.all(
    ["key.pem", "cert.pem", "ca.pem"].map((file) =>
      readFile(roles.at(`${DEVICE}/identity/${file}`)),
    ),
  );
  return await new Promise((resolve, reject) => {
    const tls = { host: "localhost", port, path, key, cert, ca, agent: false as const };
    request(tls, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode ?? 0));
    })
      .on("error", reject)
      .end();
  });
}

describe("one port of a gateway", { timeout: 120_000, skip: process.platform !== "linux" }, () => {
  it("is all that a device needs, whichever worker it meets", async (t) => {
    await using installation = await startInstallation(t, {
      gatewayFlags: { "artifacts-port": "mqtts", workers: WORKERS },
    });
    const { roles, operator } = installation;
    const gateway = installation.gateway();
    const port = gateway.port("mqttsPort");
    assert.equal(gateway.port("artifactsPort"), port);
    await roles.startAgent({
      id: DEVICE,
      inventory: {},
      flags: { "enrolment-url": `https://localhost:${port}` },
    });
    await operator.publishRelease({ version: "1.0.0" });
    await operator.startRollout("first", { release: "app@1.0.0", soakMs: 500n });
    const rollout = await operator.rolloutEnd("first");
    assert.equal(rollout.state, RolloutState.SUCCEEDED, rollout.stateReason);

    const path = "/tuf/timestamp.json";
    const statuses = await Promise.all(
      Array.from({ length: 16 }, () => ask(installation, port, path)),
    );
    assert.deepEqual(new Set(statuses), new Set([200]));
    const other = await ask(installation, port, `/artifacts/sha256/${"0".repeat(64)}`);
    assert.equal(other, 404, "an answer that is none is the first worker's, too");
  });
});
