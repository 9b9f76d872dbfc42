// SPDX-License-Identifier: Apache-2.0
/**
 * A gateway of one worker that may have two: a load that one cannot bear brings the second, to
 * which the first hands half of its devices; without the load the second goes, and they come back.
 */
import assert from "node:assert/strict";
import { connect as connectTcp } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { connect } from "mqtt";
import { encodeConnect } from "../../protocol/mqtt/connect-encoder.ts";
import { PINGREQ } from "../../protocol/mqtt/encoder.ts";
import { startInstallation } from "../helpers/installation.ts";
import { until } from "../helpers/until.ts";

const DEVICES = 24;
const TIMEOUT_MS = 60_000;
const PINGS = Buffer.concat(Array.from({ length: 2_000 }, () => PINGREQ));

/** One device that pings as fast as it is answered; costs the gateway more than this process. */
function storm(port: number, clientId: string): AsyncDisposable {
  const socket = connectTcp({ port, host: "127.0.0.1" });
  const fields = { protocolLevel: 5, clientId, cleanStart: true, keepAliveSeconds: 10 } as const;
  const ended = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  const ping = (): void => {
    while (socket.writable && socket.write(PINGS));
  };
  socket.on("error", () => {}); // The gateway may hand this one over, too.
  socket.on("drain", ping);
  socket.write(encodeConnect(fields));
  socket.once("data", ping);
  socket.resume();
  return {
    [Symbol.asyncDispose]: async () => {
      socket.destroy();
      await ended;
    },
  };
}

describe("a gateway that may have two workers", { skip: process.platform !== "linux" }, () => {
  it("adds one under load and takes it away again", { timeout: TIMEOUT_MS * 4 }, async (t) => {
    await using installation = await startInstallation(t, {
      gatewayFlags: {
        workers: 1,
        "max-workers": 2,
        "scale-out-after": "2s",
        "scale-in-after": "3s",
        "insecure-mqtt-port": 0,
      },
    });
    const port = installation.gateway().port("insecureMqttPort");
    const ids = Array.from({ length: DEVICES }, (_, index) => `dev-${index + 1}`);
    for (const id of [...ids, "stormy"]) await installation.operator.enrolDevice(id);
    const clients = ids.map((clientId) => open(t, port, clientId));
    const isBack = (): boolean => clients.every(({ connected }) => connected);
    const { client } = installation.roles.session;
    const spread = async (): Promise<number[]> => {
      const { gateways } = await client.listGateways({});
      return gateways.filter(({ online }) => online).map((each) => each.connectedDevices);
    };
    const wait = { timeoutMs: TIMEOUT_MS, signal: t.signal };
    await until("all are connected", async () => (await spread())[0] === DEVICES, wait);
    let shared: readonly number[] = [];
    {
      await using _ = storm(port, "stormy");
      await until(
        "there are two workers, and both have devices",
        async () => {
          shared = await spread();
          return shared.length === 2 && shared.every((count) => count > 0);
        },
        wait,
      );
    }
    await until("everybody is back", async () => isBack() && sum(await spread()) >= DEVICES, wait);
    shared = await spread();
    const most = Math.max(...shared);
    assert.ok(most < DEVICES - 4, `half of them moved: ${shared.join(" and ")}`);
    const isOne = async (): Promise<boolean> => {
      const counts = await spread();
      return counts.length === 1 && counts[0] === DEVICES && isBack();
    };
    await until("there is one worker again, which has them all", isOne, wait);
  });
});

function open(t: TestContext, port: number, clientId: string): ReturnType<typeof connect> {
  const client = connect(`mqtt://127.0.0.1:${port}`, {
    clientId,
    protocolVersion: 5,
    keepalive: 5,
    reconnectPeriod: 100,
  });
  client.on("error", () => {}); // It connects again by itself.
  t.after(() => client.endAsync(true));
  return client;
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
