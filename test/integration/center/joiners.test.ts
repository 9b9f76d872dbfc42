// SPDX-License-Identifier: Apache-2.0
/** Devices that join a rollout after its plan was frozen, on a real store. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DeviceChanges } from "../../../center/devices/device-changes.ts";
import { registerDevices } from "../../../center/devices/device-registrar.ts";
import { ReleaseIndex } from "../../../center/releases/release-index.ts";
import { JoinerWatch } from "../../../center/tasks/joiner-watch.ts";
import { digestOf, TENANT } from "./bench-records.ts";
import { CenterBench } from "./center-bench.ts";

const { signal } = new AbortController();
const WHO = { tenant: TENANT, actor: "operator:test", reason: "" };

class Fleet {
  readonly bench: CenterBench;
  readonly changes = new DeviceChanges();
  readonly releases: ReleaseIndex;
  watch: JoinerWatch;

  constructor(bench: CenterBench, releases: ReleaseIndex) {
    this.bench = bench;
    this.releases = releases;
    this.watch = this.newWatch();
  }

  newWatch(): JoinerWatch {
    const { bench, changes, releases } = this;
    const { store, clock } = bench;
    return new JoinerWatch({
      store,
      clock,
      changes,
      releases,
      inbox: { put: (item) => bench.inbox.put(item) },
      openRollouts: () => bench.loop.openRollouts,
      running: () => bench.loop.running,
      digests: () => bench.loop.digests,
    });
  }

  async register(id: string, labels: { [name: string]: string }, critical = false): Promise<void> {
    const device = { id, region: "eu", site: "", labels, serviceLevel: "", critical };
    const { store, clock } = this.bench;
    await registerDevices({ store, clock, changes: this.changes }, [device], WHO, signal);
  }

  async look(): Promise<void> {
    await this.watch.look(signal);
    await this.bench.cycle();
  }

  /** What the audit log says of this, newest last. */
  async recorded(action: string): Promise<unknown[]> {
    const wanted = { tenant: null, afterSequence: 0, limit: 100, signal };
    const { entries } = await this.bench.store.listAudit(wanted);
    return entries.filter((entry) => entry.action === action).map(({ detail }) => detail);
  }

  get positions(): number {
    return this.bench.rollout(1).ordinals.length;
  }
}

/** Of four devices the first two are named; all are connected and one may be in flight. */
async function running(spec: object = {}, zones: readonly string[] = []): Promise<Fleet> {
  const bench = await CenterBench.open({
    devices: 4,
    factsOf: (index) => {
      const zone = zones.length === 0 ? {} : { timeZone: zones[index] ?? "" };
      return { labels: { ...zone, ...(index < 2 ? { ring: "early" } : {}) } };
    },
  });
  for (let index = 0; index < 4; index++) bench.connect(index, { digest: digestOf("1") });
  await bench.cycle();
  const fleet = new Fleet(bench, await ReleaseIndex.load(bench.store, signal));
  const limits = { selector: "label.ring = early", waves: [], maxInFlight: { count: 1 } };
  await bench.plan("up", { joiners: "tail", ...limits, ...spec });
  await Promise.all([bench.command("up", "start"), bench.cycle()]);
  await fleet.look();
  return fleet;
}

describe("a device that joins", () => {
  test("is appended when it is relabelled, within the limits, and recorded", async () => {
    const fleet = await running();
    await using _ = fleet.bench;
    const { digest } = fleet.bench.rollout(1).plan;
    await fleet.register("device-2", { ring: "early" });
    await fleet.look();
    assert.deepEqual(fleet.bench.states(1), ["offered", "pending", "pending"]);
    assert.equal(fleet.bench.rollout(1).plan.digest, digest);
    assert.deepEqual(fleet.bench.rollout(1).record.progress.joined, [
      { start: 2, end: 3, wave: 0 },
    ]);
    assert.deepEqual(await fleet.recorded("rollout.join"), [
      { number: 1, deviceCount: 1, firstOrdinal: 3, wave: 1, unslicedCount: 0 },
    ]);
  });

  test("is appended when it is registered", async () => {
    const fleet = await running();
    await using _ = fleet.bench;
    await fleet.register("new", { ring: "early" });
    await fleet.look();
    assert.equal(fleet.positions, 3);
  });

  test("is there after a crash, and the next one after it", async () => {
    const fleet = await running();
    await using _ = fleet.bench;
    await fleet.register("device-2", { ring: "early" });
    await fleet.look();
    await fleet.bench.crashAtPoint("center.loop.acted");
    assert.equal(fleet.positions, 3);
    fleet.watch = fleet.newWatch();
    await fleet.register("device-3", { ring: "early" });
    await fleet.look();
    assert.equal(fleet.positions, 4);
    await fleet.bench.crashAtPoint("center.loop.acted");
    assert.deepEqual([...fleet.bench.rollout(1).ordinals].slice(2), [3, 4]);
  });

  test("is found by a center that started after it came", async () => {
    const fleet = await running();
    await using _ = fleet.bench;
    await fleet.register("device-2", { ring: "early" });
    await fleet.bench.crashAtPoint("center.loop.acted");
    fleet.bench.clock.advance(1_000);
    fleet.watch = fleet.newWatch();
    await fleet.look();
    assert.equal(fleet.positions, 3);
  });

  test("stays out where nobody may join", async () => {
    const fleet = await running({ joiners: "never" });
    await using _ = fleet.bench;
    await fleet.register("device-2", { ring: "early" });
    await fleet.look();
    assert.equal(fleet.positions, 2);
  });

  test("waits for a place in flight, and for the blast radius to have room", async () => {
    const fleet = await running({ maxInFlight: { count: 2 }, blastRadius: { count: 2 } });
    await using _ = fleet.bench;
    const { bench } = fleet;
    for (const id of ["device-2", "device-3"]) await fleet.register(id, { ring: "early" });
    await fleet.look();
    assert.deepEqual(bench.states(1), ["offered", "offered", "pending", "pending"]);
    const [first] = bench.offers;
    assert(first !== undefined);
    await bench.report(first, ["accepted", "downloading", "downloaded", "installing", "installed"]);
    bench.runs(first.ordinal - 1, digestOf("2"));
    await bench.cycle();
    assert.equal(bench.states(1).filter((state) => state === "pending").length, 2, "it soaks");
    await bench.cycles(4);
    assert.equal(bench.rollout(1).total.unproven, 2);
    assert.deepEqual(bench.states(1).slice(2).toSorted(), ["offered", "pending"]);
  });

  test("is taken in by the next center when this one ends before it has stored it", async () => {
    const fleet = await running();
    await using _ = fleet.bench;
    await fleet.register("device-2", { ring: "early" });
    await fleet.watch.look(signal);
    await fleet.bench.crashAtPoint("center.loop.decided");
    assert.equal(fleet.positions, 2);
    fleet.bench.clock.advance(1_000);
    fleet.watch = fleet.newWatch();
    await fleet.look();
    assert.equal(fleet.positions, 3);
    assert.equal((await fleet.recorded("rollout.join")).length, 1);
  });

  test("of the critical ones is in the last wave, as they are in a plan", async () => {
    const waves = [{ count: 1 }, { count: 1 }];
    const fleet = await running({ joiners: "next-wave", waves, selector: "label.ring != none" });
    await using _ = fleet.bench;
    await fleet.register("new", { ring: "early" });
    await fleet.register("newer", { ring: "early" }, true);
    await fleet.look();
    const { joined } = fleet.bench.rollout(1).record.progress;
    assert.deepEqual(
      joined.map(({ wave }) => wave),
      [1, fleet.bench.rollout(1).plan.waves.length - 1],
    );
  });

  test("stays out where the plan has no window in its time zone; recorded once", async () => {
    const window = { days: [], fromMinute: 0, toMinute: 60 };
    const windows = {
      install: [window],
      download: [],
      timeZone: "device",
      defaultTimeZone: "UTC",
    };
    const fleet = await running({ windows }, ["UTC", "UTC", "Asia/Tokyo", "UTC"]);
    await using _ = fleet.bench;
    await fleet.register("device-2", { ring: "early", timeZone: "Asia/Tokyo" });
    await fleet.look();
    await fleet.register("device-2", { ring: "early", timeZone: "Asia/Tokyo", shelf: "2" });
    await fleet.look();
    assert.equal(fleet.positions, 2);
    assert.deepEqual(await fleet.recorded("rollout.keep-out"), [
      { number: 1, deviceCount: 1, firstOrdinal: 3 },
    ]);
  });
});

describe("a plan that grows over the border of a page", () => {
  test("has its pages again after a crash, with those who joined in two of them", async () => {
    const planned = 4_095;
    const bench = await CenterBench.open({
      devices: planned + 3,
      factsOf: (index) => ({
        site: index % 2 === 0 ? "even" : `site-${index}`,
        labels: index < planned ? { ring: "early" } : {},
      }),
    });
    await using _ = bench;
    const fleet = new Fleet(bench, await ReleaseIndex.load(bench.store, signal));
    await bench.plan("up", { joiners: "tail", selector: "label.ring = early" });
    await Promise.all([bench.command("up", "start"), bench.cycle()]);
    await fleet.look();
    const before = bench.rollout(1).plan;
    for (let index = planned; index < planned + 3; index++) {
      await fleet.register(`device-${index}`, { ring: "early" });
    }
    await fleet.look();
    await bench.crashAtPoint("center.loop.acted");
    const { ordinals, plan, sight } = bench.rollout(1);
    assert.deepEqual([...ordinals].slice(planned), bench.ordinals.slice(planned));
    assert.equal(new Set(ordinals).size, planned + 3);
    assert.deepEqual(plan, before);
    // Of the three, whose site was not stated again, each is a site of its own.
    assert.equal(sight.tally.plan.siteCount, before.siteCount + 3);
  });
});
