// SPDX-License-Identifier: Apache-2.0
/** How far a stop has got: as gateways say it, in whatever order, and after a restart. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { StopLedger } from "../../../center/rollouts/stop-ledger.ts";
import type { StopCounts } from "../../../center/rollouts/stop-reach.ts";
import { stopReachMessage } from "../../../center/api/stop-reach-message.ts";
import { stopReachText } from "../../../cli/views/stop-reach.ts";
import { openDirectSqliteStore } from "../../../engines/sqlite/direct-store.ts";
import { SILENT_LOGGER } from "../../../ports/logger.ts";
import type { Store } from "../../../ports/store.ts";
import { VirtualClock } from "../../helpers/virtual-clock.ts";

const { signal } = new AbortController();
const KEY = "default/shop-2";
const NONE: StopCounts = { held: 0, told: 0, confirmed: 0, answered: 0, gone: 0 };

class Bench {
  readonly clock = new VirtualClock();
  readonly store: Store = openDirectSqliteStore({ path: ":memory:", clock: this.clock });
  readonly informedSeconds: number[] = [];
  readonly devicesSeconds: number[] = [];
  ledger = this.open();

  open(): StopLedger {
    return new StopLedger({
      store: this.store,
      clock: this.clock,
      logger: SILENT_LOGGER,
      metrics: {
        gatewayInformed: (seconds) => this.informedSeconds.push(seconds),
        devicesInformed: (seconds) => this.devicesSeconds.push(seconds),
      },
      offerLifetimeMs: 60_000,
      changed: () => {},
      signal,
    });
  }

  /** Told to gw-1 and gw-2. */
  stop(stopEpoch: number, cutOff: ReadonlyMap<string, number> = new Map()): void {
    const origin = { rollout: 7, key: KEY, stopEpoch, offeredCount: 1_000, notConnected: 2 };
    const sinceMs = this.clock.monotonicMs();
    this.ledger.raised({ ...origin, sinceMs }, ["gw-2", "gw-1"], cutOff);
  }

  say(gateway: string, stopEpoch: number, counts: Partial<StopCounts>): void {
    this.ledger.acknowledged(gateway, { rollout: 7, stopEpoch, counts: { ...NONE, ...counts } });
  }

  async text(): Promise<string> {
    const reach = await this.ledger.read(7, KEY, signal);
    return reach === null ? "" : stopReachText(stopReachMessage(reach));
  }
}

describe("a stop", () => {
  test("is followed from the command to the last gateway and the last device", async () => {
    const bench = new Bench();
    bench.stop(1);
    assert.equal(
      await bench.text(),
      "0 of 2 gateways; 0 of 2 devices with an unanswered offer; " +
        "2 were not connected, their offers end 2026-01-01 00:01:00Z",
    );
    bench.clock.advance(8);
    bench.say("gw-1", 1, { held: 500, told: 500 });
    bench.clock.advance(4);
    bench.say("gw-2", 1, { held: 498, told: 400 });
    bench.clock.advance(50);
    bench.say("gw-1", 1, { held: 500, told: 500, confirmed: 499, answered: 1 });
    bench.clock.advance(23);
    bench.say("gw-2", 1, { held: 498, told: 498, confirmed: 497, gone: 1 });
    assert.equal(
      await bench.text(),
      "2 of 2 gateways after 12 ms; 996 of 1,000 devices with an unanswered offer after 85 ms; " +
        "1 had answered it meanwhile; 3 were not connected, their offers end 2026-01-01 00:01:00Z",
    );
    assert.deepEqual(bench.informedSeconds, [0.008, 0.012]);
    assert.deepEqual(bench.devicesSeconds, [0.062, 0.085]);
  });

  test("said again after a broken stream counts once", async () => {
    const bench = new Bench();
    bench.stop(1);
    bench.say("gw-1", 1, { held: 500, told: 500, confirmed: 500 });
    const before = await bench.text();
    bench.clock.advance(1_000);
    bench.say("gw-1", 1, { held: 500, told: 480 });
    bench.say("gw-1", 1, { held: 500, told: 500, confirmed: 500 });
    assert.equal(await bench.text(), before);
    assert.equal(bench.informedSeconds.length, 1);
  });

  test("of before counts nothing for a later one", async () => {
    const bench = new Bench();
    bench.stop(1);
    bench.stop(2);
    bench.say("gw-1", 1, { held: 9, confirmed: 9 });
    assert.match(await bench.text(), /^0 of 2 gateways; 0 of 2 devices/);
  });

  test("says until when a gateway that is cut off may offer", async () => {
    const bench = new Bench();
    bench.stop(1, new Map([["gw-3", 30_000]]));
    assert.match(
      await bench.text(),
      /^0 of 3 gateways; gw-3 is cut off and offers nothing after 1970-01-01 00:00:30Z;/,
    );
    bench.clock.advance(10);
    bench.say("gw-3", 1, {});
    assert.match(await bench.text(), /^1 of 3 gateways after 10 ms; 0 of 2 devices/);
  });

  test("is shown by the next center too, and a center that cannot store it goes on", async () => {
    const bench = new Bench();
    bench.stop(1);
    bench.say("gw-1", 1, { held: 5, told: 5, confirmed: 5 });
    bench.say("gw-2", 1, {});
    await bench.ledger.settled();
    const before = await bench.text();
    bench.ledger = bench.open();
    assert.equal(await bench.text(), before);
    await bench.store.close();
    bench.stop(2);
    await bench.ledger.settled();
    assert.match(await bench.text(), /^0 of 2 gateways/);
  });
});
