// SPDX-License-Identifier: Apache-2.0
/** Devices that leave a rollout before they were offered anything, on a real store. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DeviceChanges } from "../../../center/devices/device-changes.ts";
import { registerDevices, retireDevice } from "../../../center/devices/device-registrar.ts";
import { LeaverWatch } from "../../../center/tasks/leaver-watch.ts";
import { CELL_REASONS } from "../../../domain/attempt.ts";
import { digestOf, TENANT } from "./bench-records.ts";
import { CenterBench } from "./center-bench.ts";

const { signal } = new AbortController();
const WHO = { tenant: TENANT, actor: "operator:test", reason: "" };

class Fleet {
  readonly bench: CenterBench;
  readonly changes = new DeviceChanges();
  watch: LeaverWatch;

  constructor(bench: CenterBench) {
    this.bench = bench;
    this.watch = this.newWatch();
  }

  newWatch(): LeaverWatch {
    const { bench, changes } = this;
    const { store, clock, inbox } = bench;
    const openRollouts = () => bench.loop.openRollouts;
    return new LeaverWatch({ store, clock, changes, openRollouts, inbox });
  }

  async relabel(index: number): Promise<void> {
    const device = { id: `device-${index}`, region: "eu", site: "", labels: {} };
    const { store, clock } = this.bench;
    const options = { store, clock, changes: this.changes };
    await registerDevices(options, [{ ...device, serviceLevel: "", critical: false }], WHO, signal);
  }

  async retire(index: number): Promise<void> {
    const device = await this.bench.store.getDevice(TENANT, `device-${index}`, { signal });
    assert(device !== null);
    await retireDevice(this.bench.store, device, WHO, signal);
    this.changes.note([device.ordinal]);
  }

  async look(): Promise<void> {
    await this.watch.look(signal);
    await this.bench.cycle();
  }

  state(index: number): string {
    const rollout = this.bench.rollout(1);
    const position = rollout.positionOf(this.bench.ordinals[index] ?? 0);
    const { page, index: cell } = rollout.cell(position);
    return `${this.bench.states(1)[position]} ${CELL_REASONS[page.reason[cell] ?? 0]}`.trim();
  }
}

/** Three labelled devices under a rollout; only the first is connected, so it has an offer. */
async function running(spec: object = {}): Promise<Fleet> {
  const bench = await CenterBench.open({
    devices: 3,
    factsOf: () => ({ labels: { ring: "early" } }),
  });
  bench.connect(0, { digest: digestOf("1") });
  await bench.cycle();
  const fleet = new Fleet(bench);
  await bench.plan("up", { selector: "label.ring = early", ...spec });
  await Promise.all([bench.command("up", "start"), bench.cycle()]);
  await fleet.look();
  return fleet;
}

describe("a device that leaves", () => {
  test("is withdrawn when its labels changed, and when it was retired", async () => {
    const fleet = await running();
    await using _ = fleet.bench;
    await fleet.relabel(1);
    await fleet.retire(2);
    await fleet.look();
    const states = [0, 1, 2].map((index) => fleet.state(index));
    assert.deepEqual(states, ["offered", "cancelled left-selection", "cancelled left-selection"]);
    const { entries } = await fleet.bench.store.listAudit({
      tenant: null,
      afterSequence: 0,
      limit: 100,
      signal,
    });
    const entry = entries.find(({ action }) => action === "rollout.withdraw");
    assert.deepEqual(entry?.detail, { number: 1, deviceCount: 2, firstOrdinal: 2 });
  });

  test("keeps what was offered to it already", async () => {
    const fleet = await running();
    await using _ = fleet.bench;
    await fleet.relabel(0);
    await fleet.look();
    assert.equal(fleet.state(0), "offered");
  });

  test("stays where the rollout keeps its leavers", async () => {
    const fleet = await running({ leavers: "keep" });
    await using _ = fleet.bench;
    await fleet.relabel(1);
    await fleet.look();
    assert.equal(fleet.state(1), "pending");
  });

  test("is found by a center that started after it left", async () => {
    const fleet = await running();
    await using _ = fleet.bench;
    await fleet.relabel(1);
    await fleet.bench.crashAtPoint("center.loop.acted");
    fleet.bench.clock.advance(1_000);
    fleet.watch = fleet.newWatch();
    await fleet.look();
    assert.equal(fleet.state(1), "cancelled left-selection");
    assert.equal(fleet.state(2), "pending");
  });
});

test("changes that were forgotten are said to be", () => {
  const changes = new DeviceChanges();
  changes.note([7, 8]);
  assert.deepEqual([changes.since(0, 1), changes.since(1, 9), changes.end], [[7], [8], 2]);
  changes.note(Array.from({ length: 100_000 }, (_, index) => index));
  assert.equal(changes.since(1, 9), null);
  assert.equal(changes.since(2, 1)?.[0], 0);
});
