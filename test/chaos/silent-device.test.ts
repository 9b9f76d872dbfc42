// SPDX-License-Identifier: Apache-2.0
/**
 * A device that falls silent while its connection stays open: the verdict comes with the default
 * settings (5 s × 3 misses, 2 s to find out). When it came is read from what the gateway wrote.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import { upTopic } from "../../protocol/device/topics.ts";
import { encodeConnect } from "../../protocol/mqtt/connect-encoder.ts";
import { encodePublish } from "../../protocol/mqtt/encoder.ts";
import { Presence, type Device } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { systemClock } from "../../runtime/system-clock.ts";
import { until } from "../helpers/until.ts";
import { deviceGroup, Fleet } from "./fleet.ts";
import { enrolScripted } from "./scripted-device.ts";

const HEARTBEAT_MS = 5_000;
const SILENCE_MS = { least: 15_000, most: 17_000 };
const TIMEOUT_MS = 60_000;

/** A line of the gateway's log. */
interface SilenceRecord {
  readonly time: string;
  readonly msg: string;
  readonly device: string;
  readonly lastSeenMs: number;
}

const HEARTBEAT: Uint8Array = encodePublish(5, {
  topic: upTopic("default", "quiet", "heartbeat"),
  payload: Buffer.from(JSON.stringify({ sequence: 1, slots: {} })),
  qos: 0,
  dup: false,
  retain: false,
  packetId: 0,
});

/** A client that says CONNECT and then only what it is told: not even pings. */
async function connectQuiet(fleet: Fleet, signal: AbortSignal): Promise<TLSSocket> {
  const port = fleet.installation.gateways.get("gw-1")?.port("mqttsPort") ?? 0;
  const tls = await enrolScripted(fleet, "quiet", signal);
  const socket = connect({ host: "localhost", port, ...tls });
  await once(socket, "secureConnect", { signal });
  const facts = { protocolLevel: 5, cleanStart: true, keepAliveSeconds: 15 } as const;
  socket.write(encodeConnect({ ...facts, clientId: "quiet" }));
  await once(socket, "data", { signal });
  return socket;
}

describe("a silent device", { timeout: TIMEOUT_MS * 2 }, () => {
  it("is offline 15 to 17 s after its last heartbeat", async (t) => {
    const { signal } = t;
    await using fleet = await Fleet.start({
      devices: deviceGroup("lively", "good", 1),
      seed: 3,
      gateways: ["gw-1"],
      heartbeatMs: HEARTBEAT_MS,
      logLevel: "debug",
      signal,
    });
    const { installation } = fleet;
    const { client } = installation.session;
    const socket = await connectQuiet(fleet, signal);
    const look = async (id: string): Promise<Device> =>
      (await client.getDevice({ id })).device ?? assert.fail(`${id} is known`);
    const options = { timeoutMs: TIMEOUT_MS, signal };
    const isOnline = async (): Promise<boolean> =>
      (await look("quiet")).presence === Presence.ONLINE;
    await until("it is online", isOnline, options);
    const lastBeatAtMs = systemClock.wallMs();
    socket.write(HEARTBEAT);
    const isOffline = async (): Promise<boolean> =>
      (await look("quiet")).presence === Presence.OFFLINE;
    await until("it is offline", isOffline, options);

    const log = await readFile(installation.at("gw-1.log"), "utf8");
    const verdicts = log
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as SilenceRecord)
      .filter(({ msg }) => msg === "a device fell silent");
    assert.deepEqual(
      verdicts.map((verdict) => verdict.device),
      ["default/quiet"],
      "nobody else was called silent",
    );
    const [{ time, lastSeenMs } = assert.fail("a verdict")] = verdicts;
    assert.ok(
      lastSeenMs >= Math.floor(lastBeatAtMs),
      "its last heartbeat was the last it was seen",
    );
    const silentMs = Date.parse(time) - lastSeenMs;
    assert.ok(
      silentMs >= SILENCE_MS.least && silentMs <= SILENCE_MS.most,
      `the verdict came ${silentMs} ms after its last heartbeat`,
    );
    const { lastSeenAtMs } = await look("quiet");
    const wholeSecondsMs = Math.floor(lastSeenMs / 1_000) * 1_000;
    assert.equal(Number(lastSeenAtMs), wholeSecondsMs, "the center was told when it was seen");
    t.diagnostic(`the verdict came ${silentMs} ms after the last heartbeat`);
  });
});
