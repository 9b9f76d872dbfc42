// SPDX-License-Identifier: Apache-2.0
/** One thing in detail: a column of names and a column of values; empty values are left out. */
import { displayWidth } from "../output/text-width.ts";

export type Fact = readonly [name: string, value: string];

export function factLines(facts: readonly Fact[], indent = ""): string[] {
  const shown = facts.filter(([, value]) => value !== "");
  const width = Math.max(0, ...shown.map(([name]) => displayWidth(name)));
  return shown.map(
    ([name, value]) => `${indent}${name}${" ".repeat(width - displayWidth(name))}  ${value}`,
  );
}
