// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { it } from "node:test";
import { pruneRecords } from "../../../center/tasks/record-pruner.ts";
import { openDirectSqliteStore } from "../../../engines/sqlite/direct-store.ts";
import { VirtualClock } from "../../helpers/virtual-clock.ts";

const DAY_MS = 86_400_000;

it("expired answers go at once, expired tokens a week later, and nothing else goes", async (t) => {
  const clock = new VirtualClock({ wallMs: 100 * DAY_MS });
  const store = openDirectSqliteStore({ path: ":memory:", clock });
  t.after(() => store.close());
  const { signal } = t;
  const nowMs = clock.wallMs();
  const write = (
    kind: "idempotency" | "enrolment-token",
    key: string,
    expiresAtMs: number,
  ): {
    kind: typeof kind;
    key: string;
    expectedRevision: number;
    value: { expiresAtMs: number };
  } => ({
    kind,
    key,
    expectedRevision: 0,
    value: { expiresAtMs },
  });
  const stored = await store.commit(
    {
      documents: [
        write("idempotency", "t/old", nowMs - 1),
        write("idempotency", "t/new", nowMs + DAY_MS),
        write("enrolment-token", "default/lately", nowMs - DAY_MS),
        write("enrolment-token", "default/long-ago", nowMs - 8 * DAY_MS),
      ],
    },
    { signal },
  );
  assert.equal(stored.ok, true);
  assert.equal(await pruneRecords({ store, clock, signal }), 2);
  const keys = async (kind: "idempotency" | "enrolment-token"): Promise<string[]> =>
    (await store.listDocuments(kind, { prefix: "", limit: 10, signal })).map(({ key }) => key);
  assert.deepEqual(await keys("idempotency"), ["t/new"]);
  assert.deepEqual(await keys("enrolment-token"), ["default/lately"]);
  assert.equal(await pruneRecords({ store, clock, signal }), 0);
});
