// SPDX-License-Identifier: Apache-2.0
/** Limits of sites and gateways in the real loop: over all rollouts, and over a restart. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ReportPhase } from "../../../protocol/device/report.ts";
import { digestOf } from "./bench-records.ts";
import { CenterBench } from "./center-bench.ts";

const INSTALL: readonly ReportPhase[] = [
  "accepted",
  "downloading",
  "downloaded",
  "installing",
  "installed",
];

/** Four devices of one site; `one` selects the first two, `other` the last two. */
async function shop(): Promise<CenterBench> {
  const bench = await CenterBench.open({
    devices: 4,
    factsOf: (index) => ({ site: "shop", labels: { half: index < 2 ? "one" : "other" } }),
  });
  bench.connectAll(digestOf("1"));
  await bench.cycle();
  return bench;
}

async function start(bench: CenterBench, name: string, spec: object): Promise<number> {
  const number = await bench.plan(name, { selector: `label.half = ${name}`, ...spec });
  await Promise.all([bench.command(name, "start"), bench.cycle()]);
  return number;
}

const countOffered = (bench: CenterBench, ...numbers: number[]): number =>
  numbers.flatMap((number) => bench.states(number)).filter((state) => state === "offered").length;

describe("a limit of one a site", () => {
  test("holds over all rollouts, also against one that has no such limit", async () => {
    await using bench = await shop();
    const one = await start(bench, "one", { maxInFlightPerSite: 1 });
    const other = await start(bench, "other", {});
    await bench.cycles(3);
    assert.equal(countOffered(bench, one, other), 1);
    const [first] = bench.offers;
    assert(first !== undefined);
    await bench.report(first, INSTALL);
    bench.runs(bench.ordinals.indexOf(first.ordinal), digestOf("2"));
    await bench.cycles(4);
    assert.equal(countOffered(bench, one, other), 1, "the next one of the site");
  });

  test("is kept by a center that starts anew, from what is stored", async () => {
    await using bench = await shop();
    const one = await start(bench, "one", { maxInFlightPerSite: 1 });
    await bench.crashAtPoint("center.loop.acted");
    bench.connectAll(digestOf("1"));
    await bench.cycles(3);
    assert.equal(countOffered(bench, one), 1);
    const generations = bench.offers.map(({ position, generation }) => [position, generation]);
    assert.deepEqual(generations.at(-1), generations[0], "leased again, under its generation");
  });

  test("holds for its rollback, too", async () => {
    await using bench = await shop();
    const one = await start(bench, "one", { maxInFlightPerSite: 1 });
    for (let device = 0; device < 2; device++) {
      const offer = bench.offers.at(-1);
      assert(offer !== undefined);
      await bench.report(offer, INSTALL);
      bench.runs(bench.ordinals.indexOf(offer.ordinal), digestOf("2"));
      await bench.cycles(4);
    }
    await Promise.all([bench.command("one", "rollback"), bench.cycle()]);
    await bench.cycles(3);
    assert.equal(countOffered(bench, one + 1), 1);
  });
});

describe("a limit of gateways", () => {
  test("counts what is in flight at each, over all rollouts, and binds its own", async () => {
    await using bench = await shop();
    bench.connect(3, { gateway: 2, digest: digestOf("1") });
    await bench.cycle();
    const one = await start(bench, "one", { maxInFlightPerGateway: 1 });
    const other = await start(bench, "other", {});
    await bench.cycles(3);
    assert.equal(countOffered(bench, one), 1);
    assert.equal(countOffered(bench, other), 2);
  });
});
