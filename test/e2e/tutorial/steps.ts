// SPDX-License-Identifier: Apache-2.0
/**
 * The tutorial as steps. A comment before a block of commands says where and how it is typed:
 *
 *     terminal: NAME, …             in this terminal, or in each of these; "none": not by the test
 *     … , keeps running             a role: it is ready when it has printed what the page says
 *     … , repeat until it shows     typed again until it prints what the page says
 *     … , exit: 1                   the last command fails, and is meant to
 *     … , press: Ctrl-C             no block follows: what runs there is interrupted, and exits 0
 *
 * A `text` block after the commands is all that they print. Where there is none they print nothing.
 */
import { pageItems } from "../../helpers/page-items.ts";

export interface Step {
  /** Of the commands, or of the comment where there are none; from 1. */
  readonly line: number;
  readonly terminals: readonly string[];
  /** "" = a key is pressed. */
  readonly commands: string;
  readonly output: string;
  readonly ends: "by itself" | "when interrupted";
  readonly isRepeated: boolean;
  readonly exitStatus: number;
}

/** Throws when a block has no comment, a comment has no block, or a word in it is not known. */
export function tutorialSteps(page: string): Step[] {
  const steps: Step[] = [];
  let next: Step | null = null;
  for (const item of pageItems(page)) {
    const where = `line ${item.line} of the tutorial`;
    if (item.kind === "comment") {
      if (next !== null) throw new Error(`${where}: no commands follow the comment before it`);
      const step = readComment(item.text, item.line);
      if (/press: Ctrl-C/.test(item.text)) steps.push(step);
      else next = step;
    } else if (item.language === "sh") {
      if (next === null) throw new Error(`${where}: no comment says which terminal this is for`);
      steps.push({ ...next, line: item.line, commands: item.text });
      next = null;
    } else {
      const step = steps.pop();
      const isOutput = item.language === "text" && step !== undefined && step.output === "";
      if (!isOutput) throw new Error(`${where}: neither commands nor what they print`);
      steps.push({ ...step, output: item.text });
    }
  }
  return steps;
}

const MANNERS = ["keeps running", "repeat until it shows", "exit: 1", "press: Ctrl-C"];

function readComment(text: string, line: number): Step {
  const [first = "", ...rest] = text.split(", ");
  const manners = rest.filter((word) => MANNERS.includes(word));
  const terminals = [
    first.replace(/^terminal: /, ""),
    ...rest.filter((word) => !MANNERS.includes(word)),
  ];
  if (!first.startsWith("terminal: ") || terminals.some((name) => !/^[a-z]+$/.test(name))) {
    throw new Error(`line ${line} of the tutorial: not "terminal: NAME, …": ${text}`);
  }
  return {
    line,
    terminals,
    commands: "",
    output: "",
    ends: manners.includes("keeps running") ? "when interrupted" : "by itself",
    isRepeated: manners.includes("repeat until it shows"),
    exitStatus: manners.includes("exit: 1") ? 1 : 0,
  };
}
