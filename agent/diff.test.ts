// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ReleaseManifest } from "../protocol/device/release-manifest.ts";
import { diff, resumeIndex, undo } from "./diff.ts";
import type { DiffCurrent } from "./diff.ts";
import type { SideRecord } from "./slots/side-record.ts";
import type { Step } from "./steps/step.ts";

const DIGEST = "d".repeat(64);

function record(digest: string, options: Partial<SideRecord> = {}): SideRecord {
  return {
    release: "app",
    version: "1.0.0",
    digest,
    treeDigest: "e".repeat(64),
    generation: 1,
    proven: true,
    services: ["old.service"],
    healthCheck: null,
    ...options,
  };
}

const manifest: ReleaseManifest = {
  schema: "muster.release/v1",
  tenant: "default",
  name: "app",
  version: "2.0.0",
  slot: "app",
  fits: {},
  artifacts: [
    { name: "tar", sha256: "a".repeat(64), lengthBytes: 9, unpackedBytes: 99, chunkIndex: null },
    { name: "same", sha256: "a".repeat(64), lengthBytes: 9, chunkIndex: null },
    { name: "file", sha256: "b".repeat(64), lengthBytes: 5, chunkIndex: null },
  ],
  steps: [
    { kind: "archive", artifact: "tar", to: "" },
    { kind: "service", restart: "new.service" },
    { kind: "file", artifact: "file", to: "etc/file", mode: "0755" },
    { kind: "command", run: ["./configure"] },
  ],
  healthCheck: { run: ["./check"], timeoutMs: 1, attempts: 1, intervalMs: 1 },
};
const target = { action: "install", digest: DIGEST, manifest } as const;
const kinds = (steps: readonly Step[]): string => steps.map((step) => step.kind).join(" ");

const nothing: DiffCurrent = { active: "none", sides: { a: null, b: null }, wholeSides: [] };
const onA: DiffCurrent = {
  active: "a",
  sides: { a: record("1".repeat(64)), b: null },
  wholeSides: ["a"],
};

describe("the steps to a release", () => {
  it("stage it on the other side, whatever its order of steps says about services", () => {
    const steps = diff(onA, target);
    assert.equal(
      kinds(steps),
      "download download verify wait stage-clean archive file command seal switch service " +
        "health-check commit",
    );
    const staged = steps.find((step) => step.kind === "stage-clean");
    assert.deepEqual(staged, { kind: "stage-clean", side: "b" });
  });

  it("begin on side a of an empty slot", () => {
    const staged = diff(nothing, target).find((step) => step.kind === "stage-clean");
    assert.deepEqual(staged, { kind: "stage-clean", side: "a" });
  });

  it("only switch when the other side holds it, proven and whole", () => {
    const sides = { ...onA.sides, b: record(DIGEST) };
    const steps = diff({ ...onA, sides, wholeSides: ["a", "b"] }, target);
    assert.equal(kinds(steps), "wait switch service health-check commit");
  });

  for (const [why, b, wholeSides] of [
    ["drifted", record(DIGEST), ["a"]],
    ["was never proven", record(DIGEST, { proven: false }), ["a", "b"]],
  ] as const) {
    it(`install again when the other side ${why}`, () => {
      const steps = diff({ ...onA, sides: { ...onA.sides, b }, wholeSides }, target);
      assert.match(kinds(steps), /^download/);
    });
  }

  it("only check and confirm when it runs already", () => {
    const current: DiffCurrent = { ...onA, sides: { a: record(DIGEST), b: null } };
    assert.equal(kinds(diff(current, target)), "health-check commit");
  });

  it("to nothing switch off and tell the services of what ran", () => {
    assert.deepEqual(diff(onA, { action: "remove" }), [
      { kind: "wait" },
      { kind: "switch", to: "none" },
      { kind: "service", restart: "old.service" },
      { kind: "commit" },
    ]);
    assert.equal(kinds(diff(nothing, { action: "remove" })), "commit");
  });

  it("are refused when a step names an artifact that the release does not have", () => {
    const step = { kind: "file", artifact: "other", to: "x" } as const;
    const wrong = { ...manifest, steps: [step] };
    assert.throws(() => diff(nothing, { ...target, manifest: wrong }), {
      code: "invalid_argument",
      detail: { field: "steps[0]" },
    });
  });
});

describe("the way back", () => {
  const steps = diff(onA, target);
  const back = (furthest: string): readonly Step[] =>
    undo({
      steps,
      furthestIndex: steps.findIndex((step) => step.kind === furthest),
      from: "a",
      formerServices: ["old.service"],
    });

  it("is empty while nothing was touched", () => {
    assert.deepEqual(back("wait"), []);
  });
  it("discards what was staged", () => {
    assert.deepEqual(back("archive"), [{ kind: "discard", side: "b" }]);
  });
  it("switches back and tells the former services once the switch may have begun", () => {
    const whole = [
      { kind: "rollback", to: "a" },
      { kind: "service", restart: "old.service" },
      { kind: "discard", side: "b" },
    ];
    assert.deepEqual(back("switch"), whole);
    assert.deepEqual(back("commit"), whole);
  });
});

describe("going on after a restart", () => {
  const steps = diff(onA, target);
  const indexOf = (kind: string): number => steps.findIndex((step) => step.kind === kind);

  it("stages afresh, for what was staged is not durable before its seal", () => {
    for (const kind of ["archive", "file", "command", "seal"]) {
      assert.equal(resumeIndex(steps, indexOf(kind)), indexOf("stage-clean"));
    }
  });
  it("goes on at the step itself everywhere else", () => {
    for (const kind of ["verify", "wait", "switch", "service", "health-check", "commit"]) {
      assert.equal(resumeIndex(steps, indexOf(kind)), indexOf(kind));
    }
    assert.equal(resumeIndex(steps, steps.length), steps.length);
  });
});
