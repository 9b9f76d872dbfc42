// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { EntryState } from "./lease.ts";
import { StopTallies } from "./stop-tallies.ts";

const { Withdrawing, Withdrawn, Confirmed, Sent } = EntryState;

describe("how far a stop has got", () => {
  test("is said when every device that had the offer is accounted for", () => {
    const tallies = new StopTallies();
    tallies.open({ rollout: 1, stopEpoch: 2, held: 3, told: 0 });
    tallies.moved(1, Withdrawing, Withdrawn);
    tallies.moved(1, Withdrawing, Withdrawn);
    assert.equal(tallies.acknowledge(1)?.told, 2);
    tallies.moved(1, Withdrawn, Confirmed);
    tallies.ended(1, Withdrawing, "gone");
    assert.deepEqual(tallies.changed("complete"), [], "one is left");
    tallies.ended(1, Withdrawn, "answered");
    const counts = { held: 3, told: 2, confirmed: 1, answered: 1, gone: 1 };
    assert.deepEqual(tallies.changed("complete"), [{ rollout: 1, stopEpoch: 2, ...counts }]);
    assert.deepEqual(tallies.changed("all"), [], "once");
  });

  test("is not said before the stop is acknowledged, however early its devices are", () => {
    const tallies = new StopTallies();
    tallies.open({ rollout: 1, stopEpoch: 2, held: 1, told: 0 });
    tallies.ended(1, Withdrawing, "answered");
    assert.deepEqual(tallies.changed("all"), []);
    assert.equal(tallies.acknowledge(1)?.answered, 1);
  });

  test("goes on when the same stop is heard of again, and begins anew with a later one", () => {
    const tallies = new StopTallies();
    tallies.open({ rollout: 1, stopEpoch: 2, held: 2, told: 0 });
    tallies.moved(1, Withdrawing, Withdrawn);
    tallies.moved(1, Withdrawn, Confirmed);
    tallies.open({ rollout: 1, stopEpoch: 2, held: 1, told: 0 });
    assert.equal(tallies.acknowledge(1)?.held, 2);
    tallies.open({ rollout: 1, stopEpoch: 3, held: 1, told: 1 });
    assert.deepEqual(tallies.acknowledge(1)?.confirmed, 0);
  });

  test("counts nothing of devices that had not been offered anything, or had confirmed", () => {
    const tallies = new StopTallies();
    tallies.open({ rollout: 1, stopEpoch: 2, held: 1, told: 0 });
    tallies.ended(1, Sent, "gone");
    tallies.ended(1, Confirmed, "answered");
    assert.deepEqual(tallies.acknowledge(1), {
      rollout: 1,
      stopEpoch: 2,
      held: 1,
      told: 0,
      confirmed: 0,
      answered: 0,
      gone: 0,
    });
  });
});
