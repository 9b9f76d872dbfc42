// SPDX-License-Identifier: Apache-2.0
//
// What only the whole import graph shows: cycles, imports of files that are not there, and files
// that nothing uses.

import { isGenerated, resolveFrom, type Finding, type Module, type Rule } from "./tree.ts";

/** Files that are started, not imported. */
const entryPoint = /^(?:\w+\/main\.ts|scripts\/|bin\/|bench\/|examples\/)|\.(?:test|d)\.ts$/;

/**
 * No import leads back to where it came from, types included: two files that need each other are
 * one file, or need a third. Each cycle is reported once, where it closes.
 */
export const checkCycles: Rule = (tree) => {
  const modules = new Map(tree.modules.map((module) => [module.path, module]));
  const findings: Finding[] = [];
  const finished = new Set<string>();
  const trail: string[] = [];
  const visit = (module: Module): void => {
    trail.push(module.path);
    for (const { specifier, line, imported } of module.references) {
      if (!imported || !specifier.startsWith(".")) continue;
      const target = resolveFrom(module.path, specifier);
      const start = trail.indexOf(target);
      if (start !== -1) {
        const cycle = [...trail.slice(start), target].join(" → ");
        const message = `Imports form a cycle: ${cycle}. Put what they share in a third file.`;
        findings.push({ path: module.path, line, message });
        continue;
      }
      const next = modules.get(target);
      if (next !== undefined && !finished.has(target)) visit(next);
    }
    trail.pop();
    finished.add(module.path);
  };
  for (const module of tree.modules) if (!finished.has(module.path)) visit(module);
  return findings;
};

/** Every relative import names a file that exists; Node would only say so when it gets there. */
export const checkMissing: Rule = (tree) =>
  tree.modules.flatMap((module) =>
    module.references
      .filter(({ imported, specifier }) => imported && specifier.startsWith("."))
      .filter(({ specifier }) => !isKnown(tree.paths, resolveFrom(module.path, specifier)))
      .map(({ specifier, line }) => ({
        path: module.path,
        line,
        message: `"${specifier}" does not exist. Correct the path, or run \`npm run generate\`.`,
      })),
  );

/** Every module is used by another one, or is an entry point. */
export const checkDeadFiles: Rule = (tree) => {
  const used = new Set<string>();
  for (const module of tree.modules) {
    for (const { specifier } of module.references) {
      const target = resolveFrom(module.path, specifier);
      if (target !== module.path) used.add(target);
      used.add(specifier);
    }
  }
  const manifest = tree.files.get("package.json") ?? "";
  return tree.modules
    .map((module) => module.path)
    .filter((path) => !entryPoint.test(path) && !isGenerated(path))
    .filter((path) => !used.has(path) && !manifest.includes(path))
    .map((path) => ({
      path,
      line: 1,
      message: "Nothing imports this file and nothing starts it. Use it or delete it.",
    }));
};

/** Built files exist only after a build. */
function isKnown(paths: ReadonlySet<string>, target: string): boolean {
  return paths.has(target) || target.startsWith("dist/");
}
