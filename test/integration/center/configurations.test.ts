// SPDX-License-Identifier: Apache-2.0
/** Rollouts whose subject is a configuration, as the API takes, shows and refuses them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { rolloutMessage } from "../../../center/api/rollout-message.ts";
import { digestOf } from "./bench-records.ts";
import { CenterBench } from "./center-bench.ts";
import { sharedApi, testRefused, type RefusedSpec } from "./refused-specs.ts";

const NAME = "settings@1.0.0";
const REFUSED: readonly RefusedSpec[] = [
  [
    "beside a release",
    { configuration: NAME, release: "app@1.0.0" },
    /spec\.configuration stands beside a release; a rollout has one/,
  ],
  [
    "beside a command",
    { configuration: NAME, command: { run: ["df"] } },
    /spec\.command stands beside a configuration; a rollout has one/,
  ],
  [
    "without a version",
    { configuration: "settings" },
    /spec\.configuration "settings" is not name@/,
  ],
  [
    "that is not published",
    { configuration: NAME },
    /configuration settings@1\.0\.0 is not published in tenant default/,
  ],
];

describe("a configuration", () => {
  testRefused(sharedApi(), REFUSED);
});

describe("a rollout of a configuration", () => {
  test("is planned for slot config, offered as a release, and shown as what it is", async () => {
    await using bench = await CenterBench.open({ devices: 1 });
    bench.connectAll(digestOf("1"));
    bench.runs(0, "", { slot: 2 });
    await bench.cycle();
    const spec = { release: "settings@1", isConfiguration: true };
    const number = await bench.plan("conf", spec);
    await Promise.all([bench.command("conf", "start"), bench.cycle()]);
    const [offer] = bench.offers;
    assert.equal(offer?.release, "settings@1");
    assert.equal(bench.rollout(number).plan.slot, "config");
    const record = await bench.record("conf");
    const shown = { record, revision: 1, plan: null, counts: [], tally: null, reach: null };
    const message = rolloutMessage(shown);
    assert.deepEqual([message.spec?.configuration, message.spec?.release], ["settings@1", ""]);
  });

  test("of a release of another slot is refused when it is planned", async () => {
    await using bench = await CenterBench.open({ devices: 1 });
    bench.connectAll(digestOf("1"));
    await bench.cycle();
    await assert.rejects(
      bench.plan("conf", { release: "app@2", isConfiguration: true }),
      /^MusterError: app@2 is no configuration: it is a release of slot app/,
    );
  });
});
