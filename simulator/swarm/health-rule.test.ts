// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { failsHealthCheck } from "./health-rule.ts";

const inventory = { hwRevision: "rev-b", board: "a:b" };

describe("a health check that names where it fails", () => {
  const failing = [["--fails-on=hwRevision:rev-b"], ["sh", "check", "--fails-on=board:a:b"]];
  const passing = [
    [],
    ["sh", "bin/health"],
    ["--fails-on=hwRevision:rev-a"],
    ["--fails-on=hwRevision:rev-bb"],
    ["--fails-on=hwRevision:"],
    ["--fails-on=:rev-b"],
    ["--fails-on=colour:red"],
    ["--fails-on", "hwRevision:rev-b"],
  ];
  for (const run of failing) {
    it(`fails there: ${run.join(" ")}`, () => assert.ok(failsHealthCheck(run, inventory)));
  }
  for (const run of passing) {
    it(`passes elsewhere: ${run.join(" ")}`, () => {
      assert.equal(failsHealthCheck(run, inventory), false);
    });
  }
});
