// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SILENT_LOGGER } from "../../ports/logger.ts";
import { MemoryFiles } from "../../simulator/world/memory-files.ts";
import type { ProcessResult, ProcessRunner } from "../process/process-runner.ts";
import { EMPTY_SLOT } from "../state/journal-state.ts";
import { Journal } from "../state/journal.ts";
import { Evidence } from "./evidence.ts";
import type { SideRecord } from "./side-record.ts";
import { dataLayout, type Side } from "./slot-layout.ts";
import { measureTree } from "./tree-digest.ts";

const LAYOUT = dataLayout("/muster");
const HEALTHY: ProcessResult = { kind: "exited", exitCode: 0, output: "" };
const { signal } = new AbortController();

interface Slot {
  readonly evidence: Evidence;
  readonly records: { readonly [side in Side]: SideRecord };
  /** Of health checks that run now, in the order of their begin. */
  readonly checks: { readonly end: (result: ProcessResult) => void }[];
  readonly switchTo: (side: Side) => Promise<unknown>;
}

/** The slot `app`: side a runs, both sides are whole and proven. */
async function twoSides(): Promise<Slot> {
  const files = new MemoryFiles();
  const checks: Slot["checks"] = [];
  const processes: ProcessRunner = {
    run: () => new Promise((end) => checks.push({ end })),
  };
  const records = { a: await installed(files, "a"), b: await installed(files, "b") };
  const journal = new Journal({
    files,
    path: LAYOUT.journal,
    state: { slots: { app: { ...EMPTY_SLOT, active: "a", sides: records } } },
  });
  return {
    evidence: new Evidence({ files, layout: LAYOUT, journal, processes, logger: SILENT_LOGGER }),
    records,
    checks,
    switchTo: (active) => journal.updateSlot("app", (state) => ({ ...state, active })),
  };
}

async function installed(files: MemoryFiles, side: Side): Promise<SideRecord> {
  const folder = LAYOUT.sideFolder("app", side);
  await files.makeFolder(folder);
  const path = `${folder}/app.txt`;
  await files.writeAtomically({ path, text: `what is on side ${side}` });
  return {
    release: "app",
    version: side,
    digest: side.repeat(64),
    treeDigest: await measureTree({ files, folder, signal }),
    generation: 1,
    proven: true,
    services: [],
    healthCheck: { run: ["check"], timeoutMs: 1, attempts: 1, intervalMs: 0 },
  };
}

/** When the health checks of that many measurements have begun. */
async function until(checks: Slot["checks"], count: number): Promise<void> {
  while (checks.length < count) await new Promise((next) => setImmediate(next));
}

describe("evidence", () => {
  it("is that of the measurement that began last, whichever ends last", async () => {
    const { evidence, records, checks, switchTo } = await twoSides();
    const ofA = evidence.measure("app", signal);
    await until(checks, 1);
    await switchTo("b");
    const ofB = evidence.measure("app", signal);
    await until(checks, 2);
    checks[1]?.end(HEALTHY);
    await ofB;
    checks[0]?.end(HEALTHY);
    await ofA;
    const { digest, version, generation } = records.b;
    const expected = { digest, version, generation, health: "healthy" };
    assert.deepEqual(evidence.status("app"), expected);
  });
});
