// SPDX-License-Identifier: Apache-2.0
//
// package.json and the imports say the same: Node finds a package that another one happens to have
// installed, and neither it nor TypeScript complains until that other one goes.

import { isBuiltin } from "node:module";
import { isTestFile, lineOf, type Finding, type Rule, type Tree } from "./tree.ts";

/** Rooms that are built and published: what they import must be installed with the package. */
const published =
  /^(?:protocol|domain|ports|engines|runtime|center|gateway|agent|cli|simulator|bin)\//;

/** Packages that are commands, by what to look for where commands are named. */
const commands: Record<string, string> = {
  "@bufbuild/buf": "buf",
  "@bufbuild/protoc-gen-es": "protoc-gen-es",
  oxfmt: "oxfmt",
  oxlint: "oxlint",
  "oxlint-tsgolint": "oxlint",
  typescript: "tsc",
};

interface Manifest {
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

/** Imported packages are declared, and the published ones as dependencies. */
export const checkUndeclared: Rule = (tree) => {
  const manifest = readManifest(tree);
  const findings: Finding[] = [];
  for (const module of tree.modules) {
    const isPublished = published.test(module.path) && !isTestFile(module.path);
    for (const { specifier, line, imported } of module.references) {
      if (!imported || specifier.startsWith(".") || isBuiltin(specifier)) continue;
      const name = packageOf(specifier);
      if (manifest.dependencies?.[name] !== undefined) continue;
      const isDevelopment = manifest.devDependencies?.[name] !== undefined;
      if (isDevelopment && !isPublished) continue;
      const message = isDevelopment
        ? `${name} is a devDependency, but this file is published. Make it a dependency.`
        : `${name} is not in package.json. Add it with an exact version, or do without it.`;
      findings.push({ path: module.path, line, message });
    }
  }
  return findings;
};

/** Declared packages are used, and pinned exactly: two installs a month apart are the same. */
export const checkDeclared: Rule = (tree) => {
  const manifest = readManifest(tree);
  const text = tree.files.get("package.json") ?? "";
  const used = usedPackages(tree);
  const findings: Finding[] = [];
  const report = (name: string, message: string): void => {
    const line = lineOf(text, text.indexOf(`"${name}":`));
    findings.push({ path: "package.json", line, message });
  };
  for (const kind of ["dependencies", "devDependencies", "optionalDependencies"] as const) {
    for (const [name, version] of Object.entries(manifest[kind] ?? {})) {
      if (!/^\d/.test(version)) {
        report(name, `${name} is "${version}", which is not one version. Pin it exactly.`);
      }
      if (used.has(name) || isCommand(tree, name)) continue;
      report(name, `Nothing uses ${name}. Use it, or remove it from package.json.`);
    }
  }
  return findings;
};

function usedPackages(tree: Tree): Set<string> {
  const used = new Set<string>(["@types/node"]);
  for (const module of tree.modules) {
    for (const { specifier, imported } of module.references) {
      if (!imported || specifier.startsWith(".")) continue;
      const name = packageOf(specifier);
      used.add(name);
      used.add(`@types/${name.replace(/^@/, "").replace("/", "__")}`);
    }
  }
  return used;
}

/** Whether a package is a command that a script names, or a runtime that the launcher names. */
function isCommand(tree: Tree, name: string): boolean {
  const word = commands[name] ?? name;
  for (const [path, text] of tree.files) {
    if (path === "package.json") {
      const { scripts = {} } = JSON.parse(text) as { scripts?: Record<string, string> };
      if (Object.values(scripts).some((script) => script.split(/\s+/).includes(word))) return true;
    } else if (/^(?:scripts\/|bin\/|buf\.gen\.yaml)/.test(path)) {
      if (text.includes(`"${word}"`) || text.includes(`: ${word}\n`)) return true;
    }
  }
  return false;
}

function packageOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

function readManifest(tree: Tree): Manifest {
  return JSON.parse(tree.files.get("package.json") ?? "{}") as Manifest;
}
