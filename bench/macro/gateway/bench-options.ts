// SPDX-License-Identifier: Apache-2.0
/** What the bench is told on its command line. */
import { parseArgs } from "node:util";

export interface BenchOptions {
  readonly deviceCount: number;
  /** Runs of each server, of which the median is printed; each is a process of its own. */
  readonly rounds: number;
  /** How long each kind of message is sent at full rate, ms. */
  readonly flowMs: number;
  /** Measure the gateway's source as it is, and not what is built of it and published. */
  readonly fromSource: boolean;
  /** Names of servers; empty = all. */
  readonly only: readonly string[];
  /** Write a CPU profile of the gateway into this folder; "" = none. */
  readonly profile: string;
}

export function readOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      devices: { type: "string" },
      rounds: { type: "string" },
      seconds: { type: "string" },
      source: { type: "boolean", default: false },
      only: { type: "string", multiple: true, default: [] },
      profile: { type: "string", default: "" },
    },
  });
  const { quick } = values;
  return {
    deviceCount: Number(values.devices ?? (quick ? 500 : 10_000)),
    rounds: Number(values.rounds ?? (quick ? 1 : 3)),
    flowMs: Number(values.seconds ?? (quick ? 1 : 5)) * 1_000,
    fromSource: values.source,
    only: values.only,
    profile: values.profile,
  };
}
