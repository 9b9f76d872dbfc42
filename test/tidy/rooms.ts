// SPDX-License-Identifier: Apache-2.0
//
// Which room may import which. The table is the architecture: dependencies point from what may
// change (commands, roles, engines) to what everything stands on (domain), so the domain runs in
// production and in simulation alike, and an engine can be replaced by editing one file of a
// role.

import { isGenerated, isTestFile, resolveFrom, type Finding, type Rule } from "./tree.ts";

/** The rooms that each room may import, itself left out; "*" is any. */
const roomImports: Record<string, readonly string[]> = {
  domain: [],
  protocol: ["domain", "ports"],
  ports: ["domain"],
  engines: ["ports", "domain", "runtime"],
  runtime: ["domain", "ports"],
  center: ["domain", "ports", "protocol", "runtime"],
  gateway: ["domain", "ports", "protocol", "runtime"],
  agent: ["domain", "ports", "protocol", "runtime"],
  simulator: ["domain", "ports", "protocol", "runtime"],
  cli: ["*"],
  bin: ["*"],
  scripts: ["*"],
  bench: ["*"],
  examples: ["*"],
  test: ["*"],
};

/** Rooms of which other rooms may import only how they are started. */
const roles: readonly string[] = ["center", "gateway", "agent"];

/** What other rooms may import of a role. */
const roleDoor = /^(?:center|gateway|agent)\/(?:main|wiring)\.ts$/;

/** Rooms that act as a device or enrol like one: pretend devices, and `muster gateway`. */
const enrolsItself: readonly string[] = ["simulator", "cli"];

/** The parts of the agent that they share with it. */
const sharedAgentParts = /^agent\/(?:link|trust)(?:\/|\.ts$)/;

/** The wiring of a whole installation in one process: it takes every role apart, and engines. */
const simulatedWorld = /^simulator\/world\//;

/** The only file of a role, or of a thread of it, that knows engines by name. */
const wiringFile = /^(?:center|gateway|agent)\/(?:rehearsal\/)?wiring\.ts$/;

/** Imports follow the table; what a room may take from packages is narrower still in domain. */
export const checkRooms: Rule = (tree) => {
  const findings: Finding[] = [];
  for (const module of tree.modules) {
    if (isGenerated(module.path)) continue;
    const room = roomOf(module.path);
    if (room !== "" && roomImports[room] === undefined) {
      const message = `${room}/ is no known room. Say in test/tidy/rooms.ts what it may import.`;
      findings.push({ path: module.path, line: 1, message });
      continue;
    }
    for (const { specifier, line, imported } of module.references) {
      if (!imported) continue;
      const message = specifier.startsWith(".")
        ? judgeRelative(module.path, specifier)
        : judgePackage(module.path, specifier);
      if (message !== undefined) findings.push({ path: module.path, line, message });
    }
  }
  return findings;
};

function judgeRelative(path: string, specifier: string): string | undefined {
  const target = resolveFrom(path, specifier);
  if (!/\.(?:ts|js)$/.test(specifier) && !specifier.endsWith(".json")) {
    return `"${specifier}" has no extension. Name the file: relative imports end in .ts.`;
  }
  if (isTestFile(path)) return undefined;
  if (isTestFile(target)) {
    return `${path} imports test code (${target}). Move what both need into the room it is about.`;
  }
  return judgeRooms(path, target);
}

function judgeRooms(path: string, target: string): string | undefined {
  const from = roomOf(path);
  const to = roomOf(target);
  if (from === "engines" && to === "engines") {
    return engineOf(path) === engineOf(target)
      ? undefined
      : `An engine imports another (${target}). Put what both need into ports/ or domain/.`;
  }
  if (from === to) return undefined;
  if (simulatedWorld.test(path) && (roles.includes(to) || to === "engines")) return undefined;
  if (enrolsItself.includes(from) && sharedAgentParts.test(target)) return undefined;
  if (from === "cli" && roles.includes(to) && !roleDoor.test(target)) {
    return `cli imports the inside of ${to}. Import what ${to}/main.ts or ${to}/wiring.ts exports.`;
  }
  if (to === "engines" && wiringFile.test(path)) return undefined;
  if (to === "engines" && roles.includes(from)) {
    return `${from} names an engine outside its wiring. Take the port as an option; wire it there.`;
  }
  const allowed = roomImports[from] ?? ["*"];
  if (allowed.includes("*") || allowed.includes(to)) return undefined;
  const may = allowed.length === 0 ? "no other room" : `only ${allowed.join(", ")}`;
  return `${from} imports ${target}, but may import ${may}. Move the code or invert it by a port.`;
}

function judgePackage(path: string, specifier: string): string | undefined {
  if (roomOf(path) === "domain" && !isTestFile(path)) {
    return `domain imports "${specifier}". domain is pure: take the value as an argument.`;
  }
  return undefined;
}

function roomOf(path: string): string {
  return path.includes("/") ? (path.split("/")[0] as string) : "";
}

function engineOf(path: string): string {
  return path.split("/")[1] as string;
}
