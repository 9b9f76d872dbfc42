// SPDX-License-Identifier: Apache-2.0
//
// Every test runs, and waits for a state and not for time: a pause is too short on a loaded machine
// and too long on every other one.

import { lineOf, type Finding, type Rule } from "./tree.ts";

interface BannedInTests {
  pattern: RegExp;
  message: string;
}

const banned: readonly BannedInTests[] = [
  {
    pattern: /\b(?:test|it|describe|suite)\s*\.\s*(?:only|skip|todo)\b/g,
    message: "A test that does not run, or keeps others from running. Run it or delete it.",
  },
  {
    // `skip: reason` is for an engine whose server is not there, and says so.
    pattern: /\b(?:only|skip|todo)\s*:\s*true\b/g,
    message: "A test that does not run, or keeps others from running. Run it or delete it.",
  },
  {
    pattern: /(?<![.\w])(?:setTimeout|setInterval|sleep|delay)\s*\(/g,
    message: "A pause in a test. Wait for the state that it is about, with a bound.",
  },
];

const timerModules = /^(?:node:)?timers(?:\/promises)?$/;

/** No test is left out, and none sleeps. */
export const checkTests: Rule = (tree) => {
  const findings: Finding[] = [];
  for (const { path, text, code, references } of tree.modules) {
    if (!path.endsWith(".test.ts")) continue;
    for (const { pattern, message } of banned) {
      for (const { index } of code.matchAll(pattern)) {
        findings.push({ path, line: lineOf(text, index), message });
      }
    }
    for (const { specifier, line, imported } of references) {
      if (!imported || !timerModules.test(specifier)) continue;
      const message = "Timers in a test. Wait for the state that it is about, with a bound.";
      findings.push({ path, line, message });
    }
  }
  return findings;
};
