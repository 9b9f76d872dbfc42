// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Behaviour } from "./behaviour.ts";
import { JournalReader } from "./read-journal.ts";
import { digestOf, ModelDriver, offerOf } from "./testing/model-driver.ts";

const FULL = ["accepted", "downloading", "downloaded", "installing"];

function installed(behaviour: Behaviour, version = "1.0.0"): ModelDriver {
  const driver = new ModelDriver({ behaviour });
  driver.offer(offerOf(1, version));
  driver.settle();
  driver.acknowledgeAll();
  return driver;
}

function appDigest(driver: ModelDriver): string | undefined {
  return driver.model.statuses().app?.digest;
}

describe("a pretend device", () => {
  it("installs what it is offered and says every phase once", () => {
    const driver = installed("good");
    assert.deepEqual(driver.phases(1), [...FULL, "installed"]);
    assert.deepEqual(driver.model.statuses().app, {
      digest: digestOf("1.0.0"),
      version: "1.0.0",
      generation: 1,
      health: "healthy",
    });
    assert.equal(driver.model.pendingReportCount, 0);
  });

  it("switches back to what its other side holds without a download", () => {
    const driver = installed("good");
    driver.offer(offerOf(2, "2.0.0"));
    driver.settle();
    driver.offer(offerOf(3, "1.0.0"));
    driver.settle();
    assert.deepEqual(driver.phases(3), ["accepted", "installing", "installed"]);
    assert.equal(appDigest(driver), digestOf("1.0.0"));
  });

  it("only confirms a release that it runs", () => {
    const driver = installed("good");
    driver.offer(offerOf(2, "1.0.0"));
    driver.settle();
    assert.deepEqual(driver.phases(2), ["accepted", "installed"]);
    assert.equal(driver.model.activations.length, 1);
    assert.equal(driver.model.statuses().app?.generation, 2);
  });

  it("removes what runs", () => {
    const driver = installed("good");
    driver.offer(offerOf(2, ""));
    driver.settle();
    assert.equal(appDigest(driver), "");
    assert.deepEqual(driver.phases(2), ["accepted", "installing", "installed"]);
  });

  it("refuses an older generation, and answers a repeated one as it did before", () => {
    const driver = installed("good");
    driver.offer(offerOf(3, "3.0.0-c"));
    driver.settle();
    driver.acknowledgeAll();
    driver.offer(offerOf(2, "2.0.0"));
    driver.offer(offerOf(3, "3.0.0-c"));
    const reports = [...driver.model.pendingReports()];
    assert.deepEqual(
      reports.map(({ generation, phase, reason }) => ({ generation, phase, reason })),
      [
        { generation: 2, phase: "rejected", reason: "older-generation" },
        { generation: 3, phase: "rejected", reason: "does-not-fit" },
      ],
    );
  });

  it("takes newer work and takes back what it had begun", () => {
    const driver = installed("good");
    driver.offer(offerOf(2, "2.0.0"));
    for (const kind of ["prepare", "download", "wait"]) {
      const [effect] = driver.pool.splice(
        driver.pool.findIndex((candidate) => candidate.kind === kind),
        1,
      );
      if (effect !== undefined) driver.perform(effect);
    }
    assert.equal(appDigest(driver), digestOf("2.0.0"), "switched, not yet checked");
    driver.offer(offerOf(3, "3.0.0"));
    driver.perform(driver.pool.pop()!);
    driver.settle();
    assert.deepEqual(driver.phases(2), [...FULL, "superseded"]);
    assert.deepEqual(driver.phases(3), [...FULL, "installed"]);
    assert.deepEqual(
      driver.model.activations.map(({ kind, generation }) => `${kind} ${generation}`),
      ["activate 1", "activate 2", "restore 2", "activate 3"],
    );
  });

  it("refuses an offer that was withdrawn or is over, also while it prepares", () => {
    const driver = new ModelDriver({ behaviour: "good" });
    driver.run(driver.model.withdrawn({ rollout: 1, generation: 1 }));
    driver.offer(offerOf(1, "1.0.0"));
    driver.offer(offerOf(2, "1.0.0", { expiresAtMs: driver.clock.wallMs() + 1_000 }));
    driver.clock.advance(2_000);
    driver.settle();
    const reasons = [...driver.model.pendingReports()].map(({ reason }) => reason);
    assert.deepEqual(reasons, ["withdrawn", "expired"]);
    assert.equal(driver.model.exposedRollouts.size, 0);
  });

  it("hesitates before it accepts, where that is its behaviour", () => {
    const driver = new ModelDriver({ behaviour: "hesitant" });
    driver.offer(offerOf(1, "1.0.0"));
    driver.perform(driver.pool.shift()!);
    assert.deepEqual(driver.phases(1), [], "it has what it needs, and waits");
    driver.settle();
    assert.deepEqual(driver.phases(1), [...FULL, "installed"]);
    driver.offer(offerOf(2, "2.0.0"));
    driver.perform(driver.pool.shift()!);
    driver.run(driver.model.withdrawn({ rollout: 1, generation: 2 }));
    driver.settle();
    assert.deepEqual(driver.phases(2), ["rejected"]);
  });

  it("refuses what is for another device", () => {
    const driver = new ModelDriver({ behaviour: "good" });
    driver.offer(offerOf(1, "1.0.0", { device: "somebody-else" }));
    assert.deepEqual(driver.pool, []);
    assert.equal([...driver.model.pendingReports()][0]?.reason, "not-for-this-device");
  });

  it("sends again what was not acknowledged, the last of each phase", () => {
    const driver = new ModelDriver({ behaviour: "good" });
    driver.offer(offerOf(1, "1.0.0"));
    driver.settle();
    const before = [...driver.model.pendingReports()];
    assert.deepEqual(
      before.map(({ sequence }) => sequence),
      [1, 2, 3, 4, 5],
    );
    driver.run(driver.model.connected());
    assert.deepEqual([...driver.model.pendingReports()], before);
  });
});

describe("a pretend device that", () => {
  it("is of bad hardware goes back by itself, and only from releases that fail there", () => {
    const driver = installed("bad-hardware");
    assert.equal(appDigest(driver), digestOf("1.0.0"));
    driver.offer(offerOf(2, "2.0.0-bad"));
    driver.settle();
    assert.deepEqual(driver.phases(2), [...FULL, "rolled-back"]);
    assert.equal(appDigest(driver), digestOf("1.0.0"));
    assert.equal([...driver.model.pendingReports()].at(-1)?.reason, "health-check-failed");
  });

  it("crashes goes down, comes back on what it ran, and says so", () => {
    const driver = installed("crashing");
    assert.deepEqual(driver.phases(1), [...FULL, "rolled-back"]);
    assert.ok(driver.seen.includes("drop"));
    assert.equal(appDigest(driver), "");
    assert.equal(driver.model.activations.length, 0);
  });

  it("lies says installed, and its evidence does not", () => {
    const driver = installed("lying");
    const last = driver.operations.findLast((operation) => operation.op === "report");
    assert.equal(last?.op === "report" && last.report.digest, digestOf("1.0.0"));
    assert.deepEqual(driver.phases(1), [...FULL, "installed"]);
    assert.equal(appDigest(driver), "");
    assert.equal(driver.model.activations.length, 0);
  });

  it("falls silent says nothing after its last acknowledged word", () => {
    for (const seed of ["a", "b", "c", "d", "e", "f"]) {
      const driver = new ModelDriver({ behaviour: "silent", seed });
      driver.offer(offerOf(1, "1.0.0"));
      driver.settle();
      assert.equal(driver.model.isMuted, false, "it waits for the acknowledgement");
      driver.acknowledgeAll();
      assert.ok(driver.model.isMuted);
      assert.equal(driver.seen.at(-1), "mute");
      driver.offer(offerOf(2, "2.0.0"));
      driver.settle();
      assert.deepEqual(driver.phases(2), []);
      assert.ok(["accepted", "installing"].includes(driver.phases(1).at(-1) ?? ""));
    }
  });

  it("is flaky drops this connection, not the next one", () => {
    const driver = new ModelDriver({ behaviour: "flaky" });
    driver.run(driver.model.connected());
    const [first] = driver.pool.splice(0);
    driver.run(driver.model.connected());
    if (first !== undefined) driver.perform(first);
    assert.equal(driver.seen.includes("drop"), false);
    driver.settle();
    assert.ok(driver.seen.includes("drop"));
  });

  it("is offline takes no offers", () => {
    const driver = new ModelDriver({ behaviour: "offline" });
    driver.offer(offerOf(1, "1.0.0"));
    assert.deepEqual([driver.pool.length, driver.operations.length], [0, 0]);
  });
});

describe("a pretend device that is started again", () => {
  it("goes on with what it had accepted, and says nothing twice", () => {
    const before = installed("good");
    before.offer(offerOf(2, "2.0.0"));
    before.perform(before.pool[0]!);
    const reader = new JournalReader();
    for (const operation of before.operations) reader.take(operation);
    const after = new ModelDriver({ behaviour: "good", memory: reader.memory() });
    assert.equal(appDigest(after), digestOf("1.0.0"));
    after.settle();
    assert.deepEqual(after.phases(2), ["downloading", "downloaded", "installing", "installed"]);
    assert.equal(appDigest(after), digestOf("2.0.0"));
    const sequences = [...after.model.pendingReports()].map(({ sequence }) => sequence);
    assert.deepEqual(
      sequences,
      sequences.toSorted((one, other) => one - other),
    );
    assert.equal(after.model.doubleActivationCount, 0);
  });

  it("checks a release that it had switched to, instead of switching again", () => {
    const before = installed("bad-hardware");
    before.offer(offerOf(2, "2.0.0-bad"));
    for (let step = 0; step < 3; step += 1) before.perform(before.pool.shift()!);
    assert.equal(appDigest(before), digestOf("2.0.0-bad"));
    const reader = new JournalReader();
    for (const operation of before.operations) reader.take(operation);
    const after = new ModelDriver({ behaviour: "bad-hardware", memory: reader.memory() });
    after.settle();
    assert.equal(after.phases(2).at(-1), "rolled-back");
    assert.equal(appDigest(after), digestOf("1.0.0"));
    assert.equal(after.model.doubleActivationCount, 0);
  });
});
