// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { appendFile, readdir } from "node:fs/promises";
import { describe, it } from "node:test";
import { systemFiles } from "../../../agent/files/system-files.ts";
import { MAX_OUTBOX_GENERATIONS, openOutbox } from "../../../agent/reports/outbox.ts";
import type { Outbox, ReportDraft } from "../../../agent/reports/outbox.ts";
import { SILENT_LOGGER } from "../../../ports/logger.ts";
import { deviceReportSchema, MAX_REPORT_BYTES } from "../../../protocol/device/report.ts";
import type { DeviceReport } from "../../../protocol/device/report.ts";
import { tempDir } from "../../helpers/temp-dir.ts";

const open = (folder: string): Promise<Outbox> =>
  openOutbox({ files: systemFiles, folder, logger: SILENT_LOGGER });
const draft = (generation: number, phase: DeviceReport["phase"]): ReportDraft => ({
  rollout: 1,
  position: 0,
  generation,
  phase,
});
const said = (outbox: Outbox): readonly string[] =>
  outbox.pending().map(({ generation, sequence, phase }) => `${generation}.${sequence} ${phase}`);

describe("the outbox", () => {
  it("keeps the last report of each phase, in order, over a restart", async () => {
    await using folder = await tempDir("outbox");
    const outbox = await open(folder.path);
    await outbox.add(draft(2, "accepted"), { isLast: false });
    await outbox.add(draft(2, "downloading"), { isLast: false });
    await outbox.add(draft(2, "downloading"), { isLast: false });
    await outbox.add(draft(1, "installed"), { isLast: true });
    const expected = ["1.1 installed", "2.1 accepted", "2.3 downloading"];
    assert.deepEqual(said(outbox), expected);
    assert.deepEqual(said(await open(folder.path)), expected);
  });

  it("counts on after acknowledgements while the attempt is open", async () => {
    await using folder = await tempDir("outbox");
    const outbox = await open(folder.path);
    await outbox.acknowledge(await outbox.add(draft(2, "accepted"), { isLast: false }));
    const again = await open(folder.path);
    assert.deepEqual(said(again), []);
    assert.equal((await again.add(draft(2, "installed"), { isLast: true })).sequence, 2);
  });

  it("leaves nothing on disk when the last word is acknowledged", async () => {
    await using folder = await tempDir("outbox");
    const outbox = await open(folder.path);
    const first = await outbox.add(draft(2, "accepted"), { isLast: false });
    const last = await outbox.add(draft(2, "installed"), { isLast: true });
    await outbox.acknowledge(last);
    assert.equal((await readdir(folder.path)).length, 1, "the first is still to be sent");
    await outbox.acknowledge(first);
    assert.deepEqual(await readdir(folder.path), []);
  });

  it("does not take an old acknowledgement for a newer report of the same phase", async () => {
    await using folder = await tempDir("outbox");
    const outbox = await open(folder.path);
    const older = await outbox.add(draft(2, "waiting"), { isLast: false });
    await outbox.add(draft(2, "waiting"), { isLast: false });
    await outbox.acknowledge(older);
    assert.deepEqual(said(outbox), ["2.2 waiting"]);
  });

  it("sets a damaged record aside and counts on where no count has been", async () => {
    await using folder = await tempDir("outbox");
    const outbox = await open(folder.path);
    await outbox.add(draft(2, "accepted"), { isLast: false });
    await appendFile(folder.join("1-2.json"), " ");
    const again = await open(folder.path);
    assert.deepEqual(said(again), []);
    const next = await again.add(draft(2, "installed"), { isLast: true });
    assert.ok(next.sequence > 1_000);
  });

  it("is bounded: the oldest generation goes first", async () => {
    await using folder = await tempDir("outbox");
    const outbox = await open(folder.path);
    for (let generation = 1; generation <= MAX_OUTBOX_GENERATIONS + 2; generation += 1) {
      await outbox.add(draft(generation, "rejected"), { isLast: true });
    }
    assert.equal(outbox.pending().length, MAX_OUTBOX_GENERATIONS);
    assert.equal(outbox.pending()[0]?.generation, 3);
  });

  it("cuts a report's detail to what the protocol allows, in bytes too", async () => {
    await using folder = await tempDir("outbox");
    const outbox = await open(folder.path);
    const detail = "\u0001".repeat(5_000);
    const report = await outbox.add({ ...draft(2, "failed"), detail }, { isLast: true });
    assert.ok(Buffer.byteLength(JSON.stringify(report)) <= MAX_REPORT_BYTES);
    assert.equal(deviceReportSchema.safeParse(report).success, true);
  });
});
