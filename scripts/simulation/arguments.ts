// SPDX-License-Identifier: Apache-2.0
//
// What simulate.ts and simulate-many.ts are asked for; whatever is wrong with it is one sentence
// that names the option, what it is, and what it may be.

import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import { ALL_FAULTS, type FaultKind } from "../../simulator/world/fault-kinds.ts";

/** A run of the simulation. */
export interface Asked {
  /** Of the first world. */
  readonly seed: string;
  /** How many worlds: that of this seed and those of the seeds after it. */
  readonly seeds: number;
  readonly minutes: number;
  readonly devices: number;
  readonly gateways: number;
  readonly faults: readonly FaultKind[];
  /** "" = none. */
  readonly planted: string;
  readonly history: boolean;
  readonly json: boolean;
}

/** Throws an error for people. */
export function readSimulateArguments(args: readonly string[]): Asked {
  const values = parsed(args, {
    seed: { type: "string", default: "1" },
    seeds: { type: "string", default: "1" },
    minutes: { type: "string", default: "240" },
    devices: { type: "string", default: "50" },
    gateways: { type: "string", default: "2" },
    faults: { type: "string", default: ALL_FAULTS.join(",") },
    plant: { type: "string", default: "" },
    history: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  });
  const { seed, plant: planted, history, json } = values;
  if (seed === "") throw new Error("--seed is empty; it must be a number or a word");
  const seeds = whole("seeds", values.seeds, { min: 1, max: 10_000 });
  if (seeds > 1 && !/^\d{1,15}$/.test(seed)) {
    throw new Error(`--seed is ${JSON.stringify(seed)}; with --seeds it must be a whole number`);
  }
  if (history && json) throw new Error("--history and --json exclude each other");
  return {
    seed,
    seeds,
    minutes: whole("minutes", values.minutes, { min: 1, max: 100_000 }),
    devices: whole("devices", values.devices, { min: 1, max: 1_000 }),
    gateways: whole("gateways", values.gateways, { min: 1, max: 20 }),
    faults: faultsOf(values.faults),
    planted,
    history,
    json,
  };
}

/** How many hours are to be simulated, and from which seed on. Throws an error for people. */
export function readSimulateManyArguments(args: readonly string[]): {
  readonly hours: number;
  readonly from: number;
} {
  const { hours, from } = parsed(args, {
    hours: { type: "string", default: "500" },
    from: { type: "string", default: "1" },
  });
  return {
    hours: whole("hours", hours, { min: 1, max: 100_000 }),
    from: whole("from", from, { min: 0, max: 1e15 }),
  };
}

function parsed<Options extends ParseArgsOptionsConfig>(args: readonly string[], options: Options) {
  const known = Object.keys(options).map((name) => `--${name}`);
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    // Only the first sentence is about what was asked.
    const what = text.split(/[.\n] ?/, 1)[0] ?? "";
    throw new Error(`${what}; options are ${known.join(", ")}`, { cause: error });
  }
}

function whole(name: string, text: string, { min, max }: { min: number; max: number }): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  const range = `a whole number from ${min} to ${max}`;
  throw new Error(`--${name} is ${JSON.stringify(text)}; it must be ${range}`);
}

/** Some kinds, apart by commas; "none" = none. */
function faultsOf(text: string): readonly FaultKind[] {
  const names = text === "none" ? [] : text.split(",");
  return names.map((name) => {
    const kind = ALL_FAULTS.find((known) => known === name);
    if (kind !== undefined) return kind;
    const known = `${ALL_FAULTS.join(", ")}, or none`;
    throw new Error(`--faults names ${JSON.stringify(name)}; known are ${known}`);
  });
}
