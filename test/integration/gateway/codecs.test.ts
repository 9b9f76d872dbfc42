// SPDX-License-Identifier: Apache-2.0
/** Heartbeats in the codec that the device's hello names, and what is refused, with which words. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CODECS, type CodecName } from "../../../protocol/device/codec-names.ts";
import { heartbeatCodec } from "../../../protocol/device/heartbeat-codecs.ts";
import type { DeviceHeartbeat } from "../../../protocol/device/status.ts";
import { ReasonCode } from "../../../protocol/mqtt/reason-codes.ts";
import { GatewayFixture } from "./gateway-fixture.ts";
import type { TestDevice } from "./test-device.ts";
import { waitUntil } from "./wait-until.ts";

const DIGEST = "c4".repeat(32);
const HEARTBEAT: DeviceHeartbeat = {
  sequence: 1,
  slots: { app: { digest: DIGEST, version: "1.0.0", generation: 3, health: "healthy" } },
};
const UNKNOWN = 'codec: "cbor" is not known here; it can be json or protobuf';

function hello(codec: string): object {
  return { protocol: 1, agent: "test/1", codec, inventory: {}, slots: {} };
}

/** Reason code and words of the answer to a message of QoS 1. */
async function answer(
  device: TestDevice,
  channel: "hello" | "heartbeat",
  message: unknown,
): Promise<readonly [code: number, words: string | undefined]> {
  const outcome = await device.publish(channel, message);
  assert.ok(outcome.kind === "acknowledged", outcome.kind);
  return [outcome.reasonCode, outcome.properties?.reasonString];
}

const TAKEN = [ReasonCode.Success, undefined] as const;

describe("a device's codec", () => {
  for (const codec of CODECS) {
    test(`evidence in ${codec} goes up`, async (context) => {
      const fixture = await GatewayFixture.start(context);
      const device = await fixture.connectGranted("pump-1");
      fixture.center.said.length = 0;
      assert.deepEqual(await answer(device, "hello", hello(codec)), TAKEN);
      const bytes = heartbeatCodec(codec).encode(HEARTBEAT);
      assert.deepEqual(await answer(device, "heartbeat", bytes), TAKEN);
      await waitUntil("the evidence is up", () =>
        fixture.center
          .saidOf("deviceState")
          .some(({ digests, generations }) => digests[0] === DIGEST && generations[0] === 3),
      );
    });
  }

  test("is what the latest hello of the session says, and JSON before one", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const device = await fixture.connectGranted("pump-1");
    const isTaken = async (from: TestDevice, codec: CodecName): Promise<boolean> => {
      const bytes = heartbeatCodec(codec).encode(HEARTBEAT);
      return (await answer(from, "heartbeat", bytes))[0] === ReasonCode.Success;
    };
    assert.deepEqual(
      [await isTaken(device, "protobuf"), await isTaken(device, "json")],
      [false, true],
    );
    await device.publish("hello", hello("protobuf"));
    assert.deepEqual(
      [await isTaken(device, "protobuf"), await isTaken(device, "json")],
      [true, false],
    );
    await device.publish("hello", hello("cbor"));
    assert.equal(await isTaken(device, "protobuf"), true, "a refused hello changes nothing");
    const next = await fixture.connect("pump-1");
    assert.deepEqual([await isTaken(next, "protobuf"), await isTaken(next, "json")], [false, true]);
  });

  test("that the gateway does not know is refused with one sentence", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const device = await fixture.connectGranted("pump-1");
    const refused = [ReasonCode.PayloadFormatInvalid, UNKNOWN];
    assert.deepEqual(await answer(device, "hello", hello("cbor")), refused);
    const malformed = { channel: "hello", result: "malformed" };
    assert.equal(await fixture.metric("messages_total", malformed), 1);
    assert.deepEqual(await answer(device, "hello", hello("json")), TAKEN, "it may say another");
  });

  test("is refused without the sentence where a client cannot take it", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const refused = [ReasonCode.PayloadFormatInvalid, undefined];
    for (const properties of [
      { requestProblemInformation: false },
      { maximumPacketSizeBytes: 60 },
    ]) {
      const device = await fixture.connect("pump-1", { properties });
      assert.deepEqual(await answer(device, "hello", hello("cbor")), refused);
    }
    const old = await fixture.connect("pump-1", { protocolLevel: 4 });
    assert.deepEqual(await answer(old, "hello", hello("cbor")), TAKEN, "3.1.1 cannot be told");
  });

  test("a damaged heartbeat is refused with its place", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const device = await fixture.connectGranted("pump-1");
    await device.publish("hello", hello("protobuf"));
    const bytes = heartbeatCodec("protobuf").encode(HEARTBEAT).subarray(0, -1);
    assert.deepEqual(await answer(device, "heartbeat", bytes), [
      ReasonCode.PayloadFormatInvalid,
      "byte 3: a length of 45, and 44 bytes are left",
    ]);
  });
});
