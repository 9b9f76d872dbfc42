// SPDX-License-Identifier: Apache-2.0
/** What the scripts of the simulation say when they are not asked for properly. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  readSimulateArguments,
  readSimulateManyArguments,
} from "../../scripts/simulation/arguments.ts";
import { ALL_FAULTS } from "../../simulator/world/fault-kinds.ts";
import { root } from "../../scripts/stage.ts";
import { runTool, type ToolResult } from "../helpers/tools.ts";

function runScript(name: string, args: readonly string[]): Promise<ToolResult> {
  return runTool(process.execPath, [`scripts/${name}`, ...args], { cwd: root });
}

describe("a run of the simulation", () => {
  test("is of one seed, with everything that can go wrong, unless it says otherwise", () => {
    const { seed, seeds, minutes, devices, gateways, faults } = readSimulateArguments([]);
    assert.deepEqual([seed, seeds, minutes, devices, gateways], ["1", 1, 240, 50, 2]);
    assert.deepEqual(faults, ALL_FAULTS);
    const asked = readSimulateArguments(["--seed", "a word", "--faults", "cuts,clocks", "--json"]);
    assert.deepEqual([asked.seed, asked.faults, asked.json], ["a word", ["cuts", "clocks"], true]);
    assert.deepEqual(readSimulateArguments(["--faults", "none"]).faults, []);
  });

  for (const { args, says } of [
    { args: ["--seed", ""], says: "--seed is empty; it must be a number or a word" },
    {
      args: ["--seed", "x", "--seeds", "2"],
      says: '--seed is "x"; with --seeds it must be a whole number',
    },
    { args: ["--seeds", "0"], says: '--seeds is "0"; it must be a whole number from 1 to 10000' },
    {
      args: ["--minutes", "1e3"],
      says: '--minutes is "1e3"; it must be a whole number from 1 to 100000',
    },
    {
      args: ["--devices", "1001"],
      says: '--devices is "1001"; it must be a whole number from 1 to 1000',
    },
    {
      args: ["--gateways", "two"],
      says: '--gateways is "two"; it must be a whole number from 1 to 20',
    },
    {
      args: ["--faults", "cuts,fire"],
      says: `--faults names "fire"; known are ${ALL_FAULTS.join(", ")}, or none`,
    },
    { args: ["--history", "--json"], says: "--history and --json exclude each other" },
    {
      args: ["--hours", "5"],
      says:
        "Unknown option '--hours'; options are --seed, --seeds, --minutes, --devices, " +
        "--gateways, --faults, --plant, --history, --json",
    },
  ]) {
    test(`cannot be asked for with ${args.join(" ")}`, () => {
      assert.throws(() => readSimulateArguments(args), { message: says });
    });
  }

  test("that is not asked for properly ends with 2 and one line", async () => {
    const { status, stdout, stderr } = await runScript("simulate.ts", ["--minutes", "soon"]);
    const says = 'simulate: --minutes is "soon"; it must be a whole number from 1 to 100000\n';
    assert.deepEqual([status, stdout, stderr], [2, "", says]);
  });

  test("with a bug that nobody has planted ends with 2, and says so", async () => {
    const size = ["--minutes", "1", "--devices", "1", "--gateways", "1", "--faults", "none"];
    const { status, stderr } = await runScript("simulate.ts", [...size, "--plant", "no.such"]);
    assert.equal(status, 2);
    assert.match(stderr, /^simulate: nothing came by --plant "no\.such"; check its name.*\n$/);
  });
});

describe("many runs of the simulation", () => {
  test("are 500 hours from seed 1 on", () => {
    assert.deepEqual(readSimulateManyArguments([]), { hours: 500, from: 1 });
  });

  for (const { args, says } of [
    {
      args: ["--hours", "half"],
      says: '--hours is "half"; it must be a whole number from 1 to 100000',
    },
    {
      args: ["--from=-1"],
      says: '--from is "-1"; it must be a whole number from 0 to 1000000000000000',
    },
    {
      args: ["500"],
      says: "Unexpected argument '500'; options are --hours, --from",
    },
    {
      args: ["--hours"],
      says: "Option '--hours <value>' argument missing; options are --hours, --from",
    },
  ]) {
    test(`cannot be asked for with ${args.join(" ")}`, () => {
      assert.throws(() => readSimulateManyArguments(args), { message: says });
    });
  }

  test("that are not asked for properly end with 2 and one line", async () => {
    const { status, stdout, stderr } = await runScript("simulate-many.ts", ["--hours", "0"]);
    const says = 'simulate: --hours is "0"; it must be a whole number from 1 to 100000\n';
    assert.deepEqual([status, stdout, stderr], [2, "", says]);
  });
});
