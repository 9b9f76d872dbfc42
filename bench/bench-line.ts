// SPDX-License-Identifier: Apache-2.0
/**
 * One figure of a bench as one JSON line on stdout, with what it was measured on. Speed is stated
 * as a ratio to a peer or a floor that ran in the same run: absolute figures of two machines, or of
 * two days, do not compare.
 */
import { execFileSync } from "node:child_process";
import { availableParallelism, cpus, totalmem } from "node:os";

export interface BenchFigure {
  readonly bench: string;
  /** What was done: `1,000,000 devices`. */
  readonly case: string;
  readonly metric: string;
  readonly value: number;
  /** `1/s`, `ms`, `bytes`, `share`, `devices` … */
  readonly unit: string;
  /** The peer or floor that ran in the same run. */
  readonly peer?: string;
  /** Ours divided by the peer's. */
  readonly ratio?: number;
}

/** Significant digits of a printed figure: more would claim what no run repeats. */
const DIGITS = 4;

let surroundings: { machine: string; runtime: string; commit: string } | undefined;

/** Prints the figure; everything else that a bench says goes to stderr. */
export function printFigure(figure: BenchFigure): void {
  surroundings ??= describeSurroundings();
  const rounded = {
    ...figure,
    value: round(figure.value),
    ...(figure.ratio === undefined ? {} : { ratio: round(figure.ratio) }),
  };
  process.stdout.write(`${JSON.stringify({ ...rounded, ...surroundings })}\n`);
}

function round(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toPrecision(DIGITS));
}

function describeSurroundings(): { machine: string; runtime: string; commit: string } {
  const gibibytes = Math.round(totalmem() / 2 ** 30);
  const model = (cpus()[0]?.model ?? "unknown processor").trim();
  return {
    machine: `${availableParallelism()} × ${model}, ${gibibytes} GiB, ${process.platform}`,
    runtime: `node ${process.versions.node}`,
    commit: commitOf(),
  };
}

/** Short, with `+` when the tree has changes; "unknown" outside of a clone. */
function commitOf(): string {
  try {
    return execFileSync("git", ["describe", "--always", "--dirty=+"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return "unknown";
  }
}
