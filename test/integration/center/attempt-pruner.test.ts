// SPDX-License-Identifier: Apache-2.0
/** Attempts of rollouts that ended long ago are deleted; what is known of the rollouts is not. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { loadRollout } from "../../../center/rollouts/loop-state.ts";
import { createRolloutReader } from "../../../center/rollouts/rollout-reader.ts";
import { NO_WAITS } from "../../../center/rollouts/waits.ts";
import { pruneAttempts } from "../../../center/tasks/attempt-pruner.ts";
import { readDiskRecord, sampleDisk } from "../../../center/tasks/disk-sampler.ts";
import type { PageKind, StoreStretch } from "../../../ports/store.ts";
import type { Rollout } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { memoryArtifacts } from "../../../simulator/world/memory-artifacts.ts";
import { digestOf, TENANT, writeDraft } from "./bench-records.ts";
import { CenterBench } from "./center-bench.ts";

const { signal } = new AbortController();
const DAY_MS = 86_400_000;
const policy = { keepAttemptsMs: 90 * DAY_MS, keepRollouts: 1 };
const PAGE_KINDS: readonly PageKind[] = ["attempt", "plan"];

/** Rolls a version out to two devices: one installs it, the other fails with a text. */
async function playOut(bench: CenterBench, name: string, version: string): Promise<void> {
  bench.sent.length = 0;
  const number = await bench.plan(name, { release: `app@${version}`, onStop: "pause" });
  await Promise.all([bench.command(name, "start"), bench.cycle()]);
  const mine = bench.offers.filter((offer) => offer.rollout === number);
  const [good, bad] = mine.toSorted((a, b) => a.ordinal - b.ordinal);
  assert(good !== undefined && bad !== undefined, "both devices have an offer");
  await bench.report(good, ["accepted", "installing", "installed"]);
  await bench.reportAll([{ ...bad, phase: "failed", sequence: 1, text: "no room" }]);
  bench.runs(0, digestOf(version));
  await bench.cycles(5);
  assert.equal((await bench.record(name)).progress.state, "succeeded");
}

/** Two rollouts that have ended, the younger one a day later. */
async function withTwoEnded(): Promise<CenterBench> {
  const bench = await CenterBench.open({ devices: 2 });
  bench.connectAll(digestOf("1"));
  await bench.cycle();
  await playOut(bench, "old", "2");
  bench.clock.advance(DAY_MS);
  await bench.cycle();
  bench.connectAll(digestOf("2"));
  await bench.cycle();
  await playOut(bench, "new", "3");
  return bench;
}

async function pagesOf(bench: CenterBench, number: number): Promise<string[]> {
  const owner = String(number);
  const ids = PAGE_KINDS.map((kind) => ({ kind, owner, number: 0 }));
  return (await bench.store.loadPages(ids, { signal })).map(({ kind }) => kind);
}

/** What devices said and what commands printed. */
async function detailsOf(bench: CenterBench, number: number): Promise<number> {
  let count = 0;
  for (const kind of ["attempt-detail", "attempt-output"] as const) {
    for (let after = ""; ;) {
      const listing = { prefix: `${number}/`, after, limit: 1_000, signal };
      const page = await bench.store.listDocuments(kind, listing);
      count += page.length;
      after = page.at(-1)?.key ?? "";
      if (page.length < 1_000) break;
    }
  }
  return count;
}

/** Of what retention deletes of one rollout. */
async function bytesOf(bench: CenterBench, number: number): Promise<number> {
  let bytes = 0;
  for (let from: string | null = ""; from !== null;) {
    const stretch: StoreStretch = await bench.store.measure(from, { signal });
    for (const { owner, contentBytes } of stretch.parts) {
      if (owner === String(number)) bytes += contentBytes;
    }
    from = stretch.next;
  }
  return bytes;
}

async function show(bench: CenterBench, name: string): Promise<Rollout> {
  const { store } = bench;
  const reader = createRolloutReader({
    store,
    openRollout: () => undefined,
    waitsOf: () => NO_WAITS,
    stops: { read: async () => null },
  });
  const rollout = await reader.read(`${TENANT}/${name}`, signal);
  assert(rollout !== null);
  return rollout;
}

function prune(bench: CenterBench): Promise<string[]> {
  return pruneAttempts({ store: bench.store, clock: bench.clock, policy, signal });
}

describe("attempts of ended rollouts", () => {
  test("are deleted after their time, and the counts stay as they were", async () => {
    await using bench = await withTwoEnded();
    const before = await show(bench, "old");
    assert.deepEqual(before.progress?.byState, { succeeded: 1, failed: 1 });
    const { number, endedAtMs } = await bench.record("old");
    bench.clock.advance(endedAtMs + policy.keepAttemptsMs - bench.clock.wallMs() - 1);
    assert.deepEqual(await prune(bench), [], "one millisecond too early");
    assert.deepEqual(await pagesOf(bench, number), [...PAGE_KINDS]);
    bench.clock.advance(1);
    assert.deepEqual(await prune(bench), [`${TENANT}/old`]);
    assert.deepEqual([await pagesOf(bench, number), await detailsOf(bench, number)], [[], 0]);
    const after = await show(bench, "old");
    assert.deepEqual(after.progress, before.progress);
    assert.deepEqual(after.plan, before.plan);
    assert.equal(after.attemptsPrunedAtMs, BigInt(bench.clock.wallMs()));
    assert.deepEqual(await prune(bench), [], "there is nothing left to do");
    const { entries } = await bench.store.listAudit({
      tenant: TENANT,
      afterSequence: 0,
      limit: 100,
      signal,
    });
    const told = entries.filter(({ action }) => action === "rollout.prune");
    assert.deepEqual(
      told.map(({ actor, subject }) => [actor, subject]),
      [["system:retention", `rollout/${TENANT}/old`]],
    );
  });

  test("are kept while another rollout, which has not ended, goes after it", async () => {
    await using bench = await withTwoEnded();
    bench.clock.advance(policy.keepAttemptsMs + 2 * DAY_MS);
    await writeDraft(bench.store, "next", { release: "firmware@1", after: ["old"] });
    assert.deepEqual(await prune(bench), []);
  });

  test("are foretold as room that will be free, and until when", async () => {
    await using bench = await withTwoEnded();
    const { store, log, clock } = bench;
    const artifacts = memoryArtifacts(new Map([["0".repeat(64), new Uint8Array(7)]]));
    const sampling = { store, log, artifacts, policy, clock, signal };
    await sampleDisk(sampling);
    const { samples, retention } = await readDiskRecord(store, signal);
    const { number, endedAtMs } = await bench.record("old");
    assert.equal(retention.byMs, endedAtMs + policy.keepAttemptsMs);
    const measured = await bytesOf(bench, number);
    assert.equal(retention.bytes, measured);
    assert.equal(samples[0]?.bytes["artifacts"], 7);
    bench.clock.advance(100 * DAY_MS);
    await prune(bench);
    await sampleDisk(sampling);
    const after = await readDiskRecord(store, signal);
    assert.deepEqual(after.retention, { bytes: 0, byMs: 0 });
    const [attempts = 0, left = 0] = [samples.at(-1), after.samples.at(-1)].map(
      (sample) => sample?.bytes["page attempt"] ?? 0,
    );
    assert(left < attempts, "the pages of one rollout are gone");
  });

  test("are kept of the newest rollouts, however old they are", async () => {
    await using bench = await withTwoEnded();
    bench.clock.advance(1_000 * DAY_MS);
    assert.deepEqual(await prune(bench), [`${TENANT}/old`]);
    const { number } = await bench.record("new");
    assert.deepEqual(await pagesOf(bench, number), [...PAGE_KINDS]);
    assert.equal(await detailsOf(bench, number), 1);
    assert.equal((await show(bench, "new")).attemptsPrunedAtMs, 0n);
  });

  test("once deleted, are said to be, and nothing can be rolled back", async () => {
    await using bench = await withTwoEnded();
    bench.clock.advance(100 * DAY_MS);
    await prune(bench);
    const record = await bench.record("old");
    const { store, log, clock } = bench;
    await assert.rejects(
      loadRollout({ store, log, clock, offerLifetimeMs: 1, signal }, record, 1),
      /^MusterError: the attempts of rollout old, .* were deleted at \d{4}-\d\d-\d\d /,
    );
    const refused = assert.rejects(
      bench.command("old", "rollback"),
      /cannot roll back rollout old: it is succeeded; its attempts were deleted at /,
    );
    await bench.cycle();
    await refused;
    await Promise.all([bench.command("new", "rollback"), bench.cycle()]);
    assert.equal((await bench.record("new")).progress.state, "rolling-back", "the loop lives on");
  });

  test("stay when somebody changes the rollout meanwhile, until the next pass", async () => {
    await using bench = await withTwoEnded();
    bench.clock.advance(100 * DAY_MS);
    const { number } = await bench.record("old");
    bench.store.faults.push("conflict");
    assert.deepEqual(await prune(bench), []);
    assert.equal((await pagesOf(bench, number)).length, 2);
    bench.store.faults.push("answer-lost");
    await assert.rejects(prune(bench), /the connection was lost/);
    assert.deepEqual(await prune(bench), [], "it had taken place");
    assert.deepEqual(await pagesOf(bench, number), []);
  });

  test("that do not fit one commit go in several, and the counts are of before", async () => {
    await using bench = await withTwoEnded();
    const { number } = await bench.record("old");
    const before = await show(bench, "old");
    for (const kind of ["attempt-detail", "attempt-output"] as const) {
      const documents = Array.from({ length: 1_500 }, (_, index) => ({
        kind,
        key: `${number}/9/9/${index}`,
        expectedRevision: 0,
        value: { phase: "failed", reason: "step-failed", text: "no room" },
      }));
      assert((await bench.store.commit({ documents }, { signal })).ok);
    }
    assert.equal(await detailsOf(bench, number), 3_001, "one was said by the device that failed");
    bench.clock.advance(100 * DAY_MS);
    assert.deepEqual(await prune(bench), [`${TENANT}/old`]);
    assert.equal(await detailsOf(bench, number), 0);
    assert.deepEqual((await show(bench, "old")).progress, before.progress);
  });
});
