// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { openDirectSqliteStore } from "../../../engines/sqlite/direct-store.ts";
import { VirtualClock } from "../../helpers/virtual-clock.ts";
import { RunningTable } from "../../../center/state/running-table.ts";

const APP = 1;

async function emptyTable(t: {
  after: (fn: () => Promise<void>) => void;
  signal: AbortSignal;
}): Promise<{
  table: RunningTable;
  reload: () => Promise<RunningTable>;
}> {
  const store = openDirectSqliteStore({ path: ":memory:", clock: new VirtualClock() });
  t.after(() => store.close());
  const { signal } = t;
  const table = await RunningTable.load(store, signal);
  return {
    table,
    reload: async () => {
      const pages = table.pendingWrites({ nowMs: 0, all: true });
      assert.equal((await store.commit({ pages }, { signal })).ok, true);
      table.committed(pages);
      return RunningTable.load(store, signal);
    },
  };
}

describe("what devices run", () => {
  it("is as it was after it was stored and read again", async (t) => {
    const { table, reload } = await emptyTable(t);
    assert.equal(table.set(5_000, APP, { release: 7, generation: 3, healthy: true }), true);
    assert.equal(table.set(5_000, APP, { release: 7, generation: 3, healthy: true }), false);
    const again = await reload();
    const expected = { known: true, release: 7, generation: 3, healthy: true };
    assert.deepEqual(again.get(5_000, APP), expected);
    assert.equal(again.get(5_001, APP).known, false);
  });

  it("a device's generations only grow, also across a restart", async (t) => {
    const { table, reload } = await emptyTable(t);
    assert.deepEqual([table.drawGeneration(9), table.drawGeneration(9)], [1, 2]);
    assert.equal((await reload()).drawGeneration(9), 3);
  });

  it("is stored some seconds after it changed, a bounded number of pages at once", async (t) => {
    const { table } = await emptyTable(t);
    for (let page = 0; page < 40; page++) table.drawGeneration(page * 4_096);
    assert.equal(table.pendingWrites({ nowMs: 0, all: false }).length, 0);
    assert.equal(table.pendingWrites({ nowMs: 1_999, all: false }).length, 0);
    const writes = table.pendingWrites({ nowMs: 2_000, all: false });
    assert.equal(writes.length, 32);
    table.committed(writes);
    assert.equal(table.pendingWrites({ nowMs: 2_000, all: true }).length, 8);
  });

  it("is kept when a commit fails and the Store is read again", async (t) => {
    const store = openDirectSqliteStore({ path: ":memory:", clock: new VirtualClock() });
    t.after(() => store.close());
    const table = await RunningTable.load(store, t.signal);
    table.set(9, APP, { release: 7, generation: 3, healthy: true });
    const pages = table.pendingWrites({ nowMs: 0, all: true });
    assert.equal((await store.commit({ pages }, { signal: t.signal })).ok, true);
    // Nobody heard that it took place; meanwhile a device said more.
    table.set(10, APP, { release: 8, generation: 1, healthy: true });
    const again = await RunningTable.load(store, t.signal, table);
    assert.deepEqual([again.get(9, APP).release, again.get(10, APP).release], [7, 8]);
    const writes = again.pendingWrites({ nowMs: 0, all: true });
    assert.equal((await store.commit({ pages: writes }, { signal: t.signal })).ok, true);
  });

  it("a generation that a device has seen is not drawn again by a restored Store", async (t) => {
    const { table } = await emptyTable(t);
    table.set(9, APP, { release: 7, generation: 41, healthy: true });
    assert.equal(table.drawGeneration(9), 42);
  });
});
