// SPDX-License-Identifier: Apache-2.0
/** Devices that leave a rollout before they were offered anything, on a real store. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DeviceChanges } from "../../../center/devices/device-changes.ts";
import { registerDevices, retireDevice } from "../../../center/devices/device-registrar.ts";
import { LeaverWatch } from "../../../center/tasks/leaver-watch.ts";
import { CELL_REASONS } from "../../../domain/attempt.ts";
import { DEFAULT_SPEC } from "../../../domain/rollout.ts";
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
    const told = entries.filter(({ action }) => action === "rollout.withdraw");
    assert.deepEqual(
      told.map(({ reason, detail }) => [reason, detail]),
      [
        ["the selector names them no more", { number: 1, deviceCount: 1, firstOrdinal: 2 }],
        ["they were retired", { number: 1, deviceCount: 1, firstOrdinal: 3 }],
      ],
    );
  });

  test("keeps what was offered to it already", async () => {
    const fleet = await running();
    await using _ = fleet.bench;
    await fleet.relabel(0);
    await fleet.look();
    assert.equal(fleet.state(0), "offered");
  });

  test("is waited for no more when it was retired at work, and is no failure", async () => {
    const fleet = await running({ gate: { ...DEFAULT_SPEC.gate, maxFailures: { count: 1 } } });
    await using _ = fleet.bench;
    const { bench } = fleet;
    const [offer] = bench.offers;
    assert(offer !== undefined);
    await bench.report(offer, ["accepted", "downloading"]);
    await fleet.retire(0);
    await fleet.look();
    assert.equal(fleet.state(0), "cancelled left-selection");
    const { inFlight, unproven, failures } = bench.rollout(1).total;
    assert.deepEqual([inFlight, unproven, failures], [0, 0, 0]);
    // Its last word may have been on its way.
    await bench.report(offer, ["downloaded", "installing"], 3);
    await bench.cycles(3);
    assert.equal((await bench.record("up")).progress.state, "running");
  });

  test("fills no blast radius when it was lost and then retired; its failure stays", async () => {
    const fleet = await running({ onStop: "pause" });
    await using _ = fleet.bench;
    const { bench } = fleet;
    const [offer] = bench.offers;
    assert(offer !== undefined);
    await bench.report(offer, ["accepted", "downloaded", "installing"]);
    bench.fleet.close(offer.ordinal, bench.fleet.fenceOf(offer.ordinal), 0);
    await bench.cycles(62 * 60, 1_000);
    assert.match(fleet.state(0), /^lost /);
    const unproven = (): number => bench.rollout(1).total.unproven;
    assert.equal(unproven(), 1, "it may still run the release");
    await fleet.retire(0);
    await fleet.look();
    assert.match(fleet.state(0), /^lost /);
    assert.deepEqual([unproven(), bench.rollout(1).total.failures], [0, 1]);
  });

  test("is left alone by a rollback when it was retired with an offer", async () => {
    const fleet = await running();
    await using _ = fleet.bench;
    const { bench } = fleet;
    await fleet.retire(0);
    await fleet.look();
    assert.equal(fleet.state(0), "cancelled left-selection");
    await Promise.all([bench.command("up", "rollback"), bench.cycle()]);
    await bench.cycle();
    const { progress, child } = await bench.record("up");
    assert.deepEqual([progress.state, child], ["rolled-back", ""]);
  });

  test("holds up no rollback", async () => {
    const fleet = await running();
    await using _ = fleet.bench;
    const { bench } = fleet;
    const [offer] = bench.offers;
    assert(offer !== undefined);
    await bench.report(offer, ["accepted", "downloading", "downloaded", "installing", "installed"]);
    bench.runs(0, digestOf("2"));
    await bench.cycles(3);
    await Promise.all([bench.command("up", "rollback"), bench.cycle()]);
    await bench.cycle();
    assert.equal((await bench.record("up-rollback")).progress.state, "running");
    await fleet.retire(0);
    await fleet.look();
    await bench.cycles(2);
    assert.equal((await bench.record("up-rollback")).progress.state, "succeeded");
  });

  test("stays where the rollout keeps its leavers, unless it was retired", async () => {
    const fleet = await running({ leavers: "keep" });
    await using _ = fleet.bench;
    await fleet.relabel(1);
    await fleet.retire(2);
    await fleet.look();
    assert.equal(fleet.state(1), "pending");
    assert.equal(fleet.state(2), "cancelled left-selection");
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
