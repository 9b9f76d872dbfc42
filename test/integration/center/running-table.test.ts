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
      const pages = table.pendingWrites();
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

  it("a generation that a device has seen is not drawn again by a restored Store", async (t) => {
    const { table } = await emptyTable(t);
    table.set(9, APP, { release: 7, generation: 41, healthy: true });
    assert.equal(table.drawGeneration(9), 42);
  });
});
