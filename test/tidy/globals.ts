// SPDX-License-Identifier: Apache-2.0
//
// Time, randomness, environment, exit and terminal reach code through ports and options, so that
// the same code runs in virtual time from a seed, and a test can make just one of them fail. The
// rooms that implement those ports, and the files that start a process, are where the globals are
// at home.

import { isTestFile, lineOf, type Finding, type Module, type Rule } from "./tree.ts";

interface BannedGlobal {
  pattern: RegExp;
  name: string;
  /** A sentence on what to use. */
  instead: string;
}

/** Rooms, and the files that start or wire a process, that may use all of them. */
const atHome = /^(?:runtime|engines|cli|scripts|bin|bench|examples)\/|^\w+\/(?:main|wiring)\.ts$/;

/** Rooms where even a given date is out of place: their time is a number of milliseconds. */
const pureRooms = /^(?:domain|ports)\//;

const useClock = "Take a Clock (ports/clock.ts) as an option.";

const banned: readonly BannedGlobal[] = [
  // `new Date(ms)` and the type remain: certificates and files are made of dates.
  {
    pattern: /\bDate\.now\b|\bnew Date\s*\(\s*\)|\bnew Date\b(?!\s*\()|(?<!new )\bDate\s*\(/g,
    name: "the system's date",
    instead: useClock,
  },
  { pattern: globalCall("setTimeout"), name: "setTimeout", instead: useClock },
  { pattern: globalCall("setInterval"), name: "setInterval", instead: useClock },
  {
    pattern: /(?<![.\w])performance\.(?:now|timeOrigin)\b/g,
    name: "performance",
    instead: useClock,
  },
  {
    pattern: /\bMath\.random\b/g,
    name: "Math.random",
    instead: "Take a Random (ports/random.ts) as an option.",
  },
  {
    pattern: /\bprocess\.env\b/g,
    name: "process.env",
    instead: "Read it in main.ts and pass what is needed as an option.",
  },
  {
    pattern: /\bprocess\.(?:exit|abort)\b/g,
    name: "ending the process",
    instead: "Throw or return; main.ts decides how the process ends.",
  },
  {
    pattern: /(?<![.\w])console\.\w/g,
    name: "console",
    instead: "Take a Logger (ports/logger.ts) as an option, or return what is to be printed.",
  },
];

/** Modules that are the global under another name. */
const bannedImports = /^(?:node:)?timers(?:\/promises)?$/;

/** Globals that make a run irreproducible stay in the rooms that are meant for them. */
export const checkGlobals: Rule = (tree) => {
  const findings: Finding[] = [];
  for (const module of tree.modules) {
    if (!module.path.includes("/") || isTestFile(module.path) || atHome.test(module.path)) continue;
    for (const { pattern, name, instead } of banned) {
      findings.push(...report(module, pattern, `${name} is used here. ${instead}`));
    }
    if (pureRooms.test(module.path)) {
      const message = "Date is used in a pure room. Use milliseconds as a number.";
      findings.push(...report(module, /(?<!\.)\bDate\b(?!\.now|\s*\()/g, message));
    }
    for (const { specifier, line, imported } of module.references) {
      if (!imported || !bannedImports.test(specifier)) continue;
      const message = `"${specifier}" is imported here. ${useClock}`;
      findings.push({ path: module.path, line, message });
    }
  }
  return findings;
};

function report(module: Module, pattern: RegExp, message: string): Finding[] {
  const lines = new Set(
    [...module.code.matchAll(pattern)].map(({ index }) => lineOf(module.text, index)),
  );
  return [...lines].map((line) => ({ path: module.path, line, message }));
}

/** A call of the global of that name, and not of a port's method of the same name. */
function globalCall(name: string): RegExp {
  return new RegExp(`(?:\\bglobalThis\\.|(?<![.\\w]))${name}\\s*\\(`, "g");
}
