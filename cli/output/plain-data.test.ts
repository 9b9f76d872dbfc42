// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import {
  GetTrustResponseSchema,
  Presence,
  PresenceSchema,
  DeviceSchema,
  RolloutSchema,
  RolloutState,
} from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { enumWord, toPlainData } from "./plain-data.ts";

describe("a message as plain data", () => {
  const rollout = create(RolloutSchema, {
    name: "shop",
    state: RolloutState.ROLLING_BACK,
    createdAtMs: 1_767_225_600_000n,
    spec: {
      release: "shop@1.0.0",
      waves: [
        { kind: { case: "count", value: 1 } },
        { kind: { case: "percent", value: 12.5 } },
        {},
      ],
    },
    progress: { byState: { succeeded: 2, failed: 1 } },
  });
  const data = toPlainData(RolloutSchema, rollout) as { [name: string]: unknown };

  test("has enumerations as words and 64-bit integers as numbers", () => {
    assert.equal(data["state"], "rolling-back");
    assert.equal(data["createdAtMs"], 1_767_225_600_000);
  });

  test("has every field, also where it is empty", () => {
    assert.equal(data["stateReason"], "");
    assert.equal(data["endedAtMs"], 0);
    assert.equal(data["plan"], null);
    assert.equal(data["parent"], "");
  });

  test("has of a oneof the field that is set, and maps sorted by key", () => {
    const { waves } = data["spec"] as { waves: unknown };
    assert.deepEqual(waves, [{ count: 1 }, { percent: 12.5 }, {}]);
    const { byState } = data["progress"] as { byState: object };
    assert.deepEqual(Object.entries(byState), [
      ["failed", 1],
      ["succeeded", 2],
    ]);
  });

  test("has bytes as base64 and lists of messages as lists", () => {
    const trust = create(GetTrustResponseSchema, { root: Buffer.from("root") });
    assert.deepEqual(toPlainData(GetTrustResponseSchema, trust), {
      root: "cm9vdA==",
      targets: "",
      targetsVersion: 0,
    });
    const device = create(DeviceSchema, { running: [{ slot: "app", healthy: true }] });
    const { running } = toPlainData(DeviceSchema, device) as { running: unknown };
    assert.deepEqual(running, [
      { slot: "app", digest: "", release: "", generation: 0, healthy: true },
    ]);
  });

  test("has no word for an unspecified value, and says so of one it does not know", () => {
    assert.equal(enumWord(PresenceSchema, Presence.UNSPECIFIED), "");
    assert.equal(enumWord(PresenceSchema, Presence.UNKNOWN), "unknown");
    assert.equal(enumWord(PresenceSchema, 99), "unknown-99");
  });
});
