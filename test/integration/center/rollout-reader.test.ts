// SPDX-License-Identifier: Apache-2.0
/** What people are shown of a rollout, before it starts and after it ended. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createRolloutReader } from "../../../center/rollouts/rollout-reader.ts";
import { toJson } from "../../../center/rollouts/rollout-record.ts";
import { NO_WAITS } from "../../../center/rollouts/waits.ts";
import type { Store } from "../../../ports/store.ts";
import type { Rollout } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { CenterBench } from "./center-bench.ts";
import { digestOf } from "./bench-records.ts";

const { signal } = new AbortController();

function read(store: Store): Promise<Rollout | null> {
  return createRolloutReader({
    store,
    openRollout: () => undefined,
    waitsOf: () => NO_WAITS,
    stops: { read: async () => null },
  }).read("default/up", signal);
}

/** A store in which nobody may read pages. */
function withoutPages(store: Store): Store {
  return new Proxy(store, {
    get: (target, name) => {
      if (name === "loadPages") return () => assert.fail("a page was read");
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

test("counts of a planned rollout and of an ended one are shown without its pages", async () => {
  await using bench = await CenterBench.open({ devices: 3 });
  bench.connectAll(digestOf("1"));
  await bench.cycle();
  await bench.plan("up", { waves: [{ count: 1 }] });
  const planned = await read(withoutPages(bench.store));
  assert.deepEqual(planned?.progress?.byState, { pending: 3 });
  assert.equal(planned.progress.waves.length, 2);

  void bench.command("up", "start");
  await bench.cycle();
  for (let wave = 0; wave < 2; wave++) {
    for (const offer of bench.offers) {
      await bench.report(offer, ["accepted", "installed"]);
      bench.runs(bench.ordinals.indexOf(offer.ordinal), digestOf("2"));
    }
    await bench.cycles(4);
  }
  const ended = await read(withoutPages(bench.store));
  assert.deepEqual(ended?.progress?.byState, { succeeded: 3 });
  assert.equal(ended.progress.exposed, 3);

  // As a record was stored before counts were kept in it: its pages are counted, to the same.
  const document = await bench.store.getDocument("rollout", "default/up", { signal });
  assert(document !== null);
  const value = toJson({ ...(await bench.record("up")), finalCounts: null });
  const write = { kind: "rollout", key: document.key, value } as const;
  const expectedRevision = document.revision;
  await bench.store.commit({ documents: [{ ...write, expectedRevision }] }, { signal });
  const counted = await read(bench.store);
  assert.deepEqual(counted?.progress, ended.progress);
});
