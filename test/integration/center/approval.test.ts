// SPDX-License-Identifier: Apache-2.0
/** Four eyes in the rollout loop: who may approve a plan, and what happens before and after. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { CommandAction } from "../../../center/rollouts/loop-inbox.ts";
import { readPlan, type RolloutRecord } from "../../../center/rollouts/rollout-record.ts";
import { digestOf } from "./bench-records.ts";
import { CenterBench } from "./center-bench.ts";

const PLANNER = "operator:test";
const OTHER = "operator:other";
const { signal } = new AbortController();

async function awaiting(): Promise<CenterBench> {
  const bench = await CenterBench.open({ devices: 2 });
  bench.connectAll(digestOf("1"));
  await bench.cycle();
  await bench.plan("up", { approval: "required" });
  return bench;
}

async function ask(
  bench: CenterBench,
  action: CommandAction,
  options: { actor?: string; planDigest?: string } = {},
): Promise<RolloutRecord> {
  const [record] = await Promise.all([bench.command("up", action, options), bench.cycle()]);
  return record;
}

async function refusal(...asked: Parameters<typeof ask>): Promise<{ code: string; text: string }> {
  const error = await ask(...asked).catch((failure: unknown) => failure);
  assert(error instanceof Error && "code" in error);
  return { code: String(error.code), text: error.message };
}

describe("a plan that needs approval", () => {
  test("is not started without it, nor approved by whoever had it made", async () => {
    await using bench = await awaiting();
    assert.equal((await bench.record("up")).progress.state, "awaiting-approval");
    assert.deepEqual(await refusal(bench, "start"), {
      code: "failed_precondition",
      text:
        "cannot start rollout up: it is awaiting-approval; " +
        `another operator than ${PLANNER} must approve its plan first`,
    });
    const { code, text } = await refusal(bench, "approve");
    assert.equal(code, "permission_denied");
    assert.match(text, /operator:test had its plan made, and somebody else must approve it$/);
    assert.equal((await refusal(bench, "rollback")).code, "failed_precondition");
    assert.deepEqual(bench.sent, []);
  });

  test("is started once another operator has approved exactly it, on record", async () => {
    await using bench = await awaiting();
    const wrong = await refusal(bench, "approve", { actor: OTHER, planDigest: "0" });
    assert.equal(wrong.code, "conflict");
    const document = await bench.store.getDocument("plan", "default/up", { signal });
    assert(document !== null);
    const planDigest = readPlan(document).digest;
    await ask(bench, "approve", { actor: OTHER, planDigest });
    const record = await bench.record("up");
    assert.deepEqual([record.progress.state, record.plannedBy], ["planned", PLANNER]);
    assert.deepEqual([record.approval?.by, record.approval?.planDigest], [OTHER, planDigest]);
    const { entries } = await bench.store.listAudit({
      tenant: "default",
      afterSequence: 0,
      limit: 100,
      signal,
    });
    const entry = entries.find(({ action }) => action === "rollout.approve");
    assert.deepEqual([entry?.actor, entry?.detail], [OTHER, { number: 1, digest: planDigest }]);
    // The same again changes nothing.
    await ask(bench, "approve", { actor: OTHER });
    await ask(bench, "start");
    assert.equal((await bench.record("up")).progress.state, "running");
  });

  test("that is rejected ends as stopped, and no device hears of it", async () => {
    await using bench = await awaiting();
    await ask(bench, "reject", { actor: OTHER });
    await bench.cycle();
    const { progress } = await bench.record("up");
    assert.deepEqual(
      [progress.state, progress.stateReason],
      ["stopped", "rejected by operator:other: a test"],
    );
    assert.deepEqual(bench.sent, []);
    assert.equal((await refusal(bench, "start")).code, "failed_precondition");
  });
});

test("a plan that needs none is not approved", async () => {
  await using bench = await CenterBench.open({ devices: 1 });
  await bench.plan("up");
  const { code, text } = await refusal(bench, "approve", { actor: OTHER });
  assert.equal(code, "failed_precondition");
  assert.match(text, /it is planned; it needs no approval$/);
});

test("a plan that nobody wants any more is stopped for good, approved or not", async () => {
  await using bench = await awaiting();
  await ask(bench, "approve", { actor: OTHER });
  assert.equal((await bench.record("up")).progress.state, "planned");
  await ask(bench, "stop");
  await bench.cycle();
  const { progress } = await bench.record("up");
  assert.deepEqual(
    [progress.state, progress.stateReason],
    ["stopped", "stopped by operator:test: a test"],
  );
  assert.deepEqual(bench.sent, []);
  // The same again changes nothing; nor is there anything to go back from.
  await ask(bench, "stop");
  assert.deepEqual(await refusal(bench, "rollback"), {
    code: "failed_precondition",
    text:
      "cannot roll back rollout up: it is stopped; " +
      "it has reached no device, so nobody has to go back",
  });
});
