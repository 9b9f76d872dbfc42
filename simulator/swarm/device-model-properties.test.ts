// SPDX-License-Identifier: Apache-2.0
//
// Whatever is offered in whatever order, repeated, delayed, withdrawn or failed, and wherever the
// device is stopped and started again.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { BEHAVIOURS } from "./behaviour.ts";
import type { Behaviour } from "./behaviour.ts";
import type { Operation } from "./model-effects.ts";
import { JournalReader, LAST_PHASES } from "./read-journal.ts";
import { digestOf, ModelDriver, offerOf } from "./testing/model-driver.ts";

const GENERATIONS = 8;

type Action =
  | { readonly kind: "offer"; readonly generation: number }
  | { readonly kind: "withdraw"; readonly generation: number }
  /** Carries out a waiting effect; `again` leaves it there to be carried out once more. */
  | {
      readonly kind: "effect";
      readonly pick: number;
      readonly works: boolean;
      readonly again: boolean;
    }
  | { readonly kind: "acknowledge"; readonly pick: number }
  | { readonly kind: "connect" }
  | { readonly kind: "restart" };

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("offer" as const),
      generation: fc.integer({ min: 1, max: GENERATIONS }),
    }),
  },
  fc.record({
    kind: fc.constant("withdraw" as const),
    generation: fc.integer({ min: 1, max: GENERATIONS }),
  }),
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("effect" as const),
      pick: fc.nat(20),
      works: fc.integer({ min: 0, max: 9 }).map((draw) => draw > 0),
      again: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("acknowledge" as const), pick: fc.nat(20) }),
  },
  fc.constantFrom<Action>({ kind: "connect" }, { kind: "restart" }),
);

const versions = fc.array(fc.constantFrom("1.0.0", "2.0.0", "3.0.0-bad", "4.0.0-c", ""), {
  minLength: GENERATIONS,
  maxLength: GENERATIONS,
});

interface History {
  readonly driver: ModelDriver;
  readonly operations: readonly Operation[];
}

function play(behaviour: Behaviour, script: readonly Action[], names: readonly string[]): History {
  let driver = new ModelDriver({ behaviour });
  const operations: Operation[] = [];
  const restart = (): void => {
    operations.push(...driver.operations.splice(0));
    driver = new ModelDriver({ behaviour, memory: memoryOf(operations), clock: driver.clock });
  };
  for (const step of script) {
    if (step.kind === "offer") driver.offer(offerOf(step.generation, names[step.generation - 1]!));
    else if (step.kind === "withdraw") {
      driver.run(driver.model.withdrawn({ rollout: 1, generation: step.generation }));
    } else if (step.kind === "connect") driver.run(driver.model.connected());
    else if (step.kind === "restart") restart();
    else if (step.kind === "acknowledge") {
      const reports = [...driver.model.pendingReports()];
      const report = reports[step.pick % Math.max(1, reports.length)];
      if (report !== undefined) driver.run(driver.model.acknowledged(report));
    } else {
      const index = step.pick % Math.max(1, driver.pool.length);
      const [effect] = step.again ? driver.pool.slice(index) : driver.pool.splice(index, 1);
      if (effect !== undefined) driver.perform(effect, step.works);
    }
  }
  driver.settle();
  operations.push(...driver.operations);
  return { driver, operations };
}

function memoryOf(operations: readonly Operation[]): ReturnType<JournalReader["memory"]> {
  const reader = new JournalReader();
  for (const operation of operations) reader.take(operation);
  return reader.memory();
}

function checkAll(check: (history: History, behaviour: Behaviour) => void): void {
  fc.assert(
    fc.property(
      fc.constantFrom(...BEHAVIOURS),
      fc.array(action, { maxLength: 60, size: "max" }),
      versions,
      (behaviour, script, names) => check(play(behaviour, script, names), behaviour),
    ),
    { numRuns: 500 },
  );
}

function generationsOf(operations: readonly Operation[], op: Operation["op"]): number[] {
  return operations.flatMap((operation) => (operation.op === op ? [operation.generation] : []));
}

function assertGrows(numbers: readonly number[], what: string): void {
  numbers.forEach((number, index) => {
    assert.ok(index === 0 || number > numbers[index - 1]!, `${what}: ${numbers.join(" ")}`);
  });
}

describe("whatever happens to a pretend device", () => {
  it("it never activates a generation twice, nor an older one after a newer", () => {
    checkAll(({ operations, driver }) => {
      assertGrows(generationsOf(operations, "activate"), "activated generations");
      assert.equal(driver.model.doubleActivationCount, 0);
    });
  });

  it("accepts ever newer generations", () => {
    checkAll(({ operations }) => {
      assertGrows(generationsOf(operations, "accept"), "accepted generations");
    });
  });

  it("says exactly one last word on what it accepted, unless it fell silent", () => {
    checkAll(({ operations, driver }, behaviour) => {
      if (behaviour === "silent") return;
      for (const generation of generationsOf(operations, "accept")) {
        const words = operations.filter(
          (operation) =>
            operation.op === "report" &&
            operation.isRepeat !== true &&
            operation.generation === generation &&
            operation.report.phase !== "rejected" &&
            LAST_PHASES.has(operation.report.phase),
        );
        assert.equal(
          words.length,
          1,
          `generation ${generation}: ${driver.phases(generation).join()}`,
        );
      }
    });
  });

  it("numbers the reports of an attempt upwards", () => {
    checkAll(({ operations }) => {
      for (const generation of generationsOf(operations, "accept")) {
        const sequences = operations.flatMap((operation) =>
          operation.op === "report" &&
          operation.isRepeat !== true &&
          operation.generation === generation &&
          operation.report.phase !== "rejected"
            ? [operation.report.sequence]
            : [],
        );
        assertGrows(sequences, `sequences of generation ${generation}`);
      }
    });
  });

  it("shows as evidence what it switched to last", () => {
    checkAll(({ operations, driver }) => {
      const last = operations.findLast(
        (operation) => operation.op === "activate" || operation.op === "restore",
      );
      const shown = driver.model.statuses().app?.digest ?? "";
      assert.equal(shown, last !== undefined && "digest" in last ? last.digest : "");
    });
  });

  it("is the same device when its journal is read", () => {
    checkAll(({ operations, driver }, behaviour) => {
      if (behaviour === "silent") return; // It goes on where it fell silent.
      const again = new ModelDriver({ behaviour, memory: memoryOf(operations) });
      assert.deepEqual(again.model.statuses(), driver.model.statuses());
      assert.deepEqual(again.model.activations, driver.model.activations);
      assert.deepEqual([...again.model.pendingReports()], [...driver.model.pendingReports()]);
      assert.deepEqual(again.pool, []);
    });
  });

  it("is not trivial: releases are installed, and fail", () => {
    const seen = new Set<string>();
    checkAll(({ operations }) => {
      for (const operation of operations) {
        if (operation.op === "report") seen.add(operation.report.phase);
        if (operation.op === "activate") seen.add(operation.digest === "" ? "emptied" : "filled");
      }
    });
    for (const phase of [...LAST_PHASES, "emptied", "filled"]) assert.ok(seen.has(phase), phase);
    assert.notEqual(digestOf("1.0.0"), digestOf("2.0.0"));
  });
});
