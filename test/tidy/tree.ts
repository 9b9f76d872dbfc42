// SPDX-License-Identifier: Apache-2.0
//
// The repository as the tidy rules see it: every file's path, the text of those that are text,
// and the modules among them with their imports. A rule is a function from this to findings, so
// it can be shown a tree that exists only in a test.

import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { maskSource } from "./mask.ts";

/** One thing that is wrong, where, and what to do about it. */
export interface Finding {
  path: string;
  /** From 1. */
  line: number;
  /** A sentence on what is wrong and one on what to do. */
  message: string;
}

/** A rule looks at the whole tree; most look at one file at a time. */
export type Rule = (tree: Tree) => Finding[];

/** A module's use of another: an import, or a path in a string (a worker, a child process). */
export interface Reference {
  specifier: string;
  line: number;
  /** Whether only types are imported. */
  typeOnly: boolean;
  /** Whether it is an import or a re-export, rather than a path in a string. */
  imported: boolean;
}

/** A TypeScript or JavaScript file. */
export interface Module {
  path: string;
  text: string;
  /** The text with comments and strings blanked; see mask.ts. */
  code: string;
  references: Reference[];
}

export interface Tree {
  /** Text files, by path from the root with forward slashes. */
  files: ReadonlyMap<string, string>;
  /** Every file and folder. */
  paths: ReadonlySet<string>;
  modules: readonly Module[];
}

/** Folders that hold nothing of ours: installed, built, version control, a role's data. */
const foreignFolders = new Set(["node_modules", "dist", ".git", ".muster"]);

const textFile = /(?:\.(?:ts|js|json|jsonl|md|proto|sql|sh|yaml|yml|html|css|rego)|\.ci\/run)$/;
const moduleFile = /\.(?:ts|js)$/;

/** Made by a tool from something that is checked itself. */
const generatedFile = /^(?:(?:protocol|bench)\/gen\/|package-lock\.json$)/;

/** Whether the path is a test, or stands in a folder whose files only ever serve tests. */
export function isTestFile(path: string): boolean {
  return /\.test\.ts$|^test\/|^ports\/contract\/|\/testing\//.test(path);
}

/** Whether the path is generated; rules on style do not apply. */
export function isGenerated(path: string): boolean {
  return generatedFile.test(path);
}

/** Reads the tree under a folder. */
export function readTree(root: string): Tree {
  const files = new Map<string, string>();
  const others: string[] = [];
  const visit = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      if (foreignFolders.has(entry.name)) continue;
      const path = posix.join(folder, entry.name);
      if (entry.isDirectory()) visit(path);
      else if (textFile.test(path)) files.set(path, readFileSync(join(root, path), "utf8"));
      else others.push(path);
    }
  };
  visit("");
  return buildTree(files, others);
}

/** Builds a tree from texts, and from the paths of files that are not text. */
export function buildTree(files: ReadonlyMap<string, string>, others: string[] = []): Tree {
  const paths = new Set<string>();
  for (const path of [...files.keys(), ...others]) {
    for (let part = path; part !== "."; part = posix.dirname(part)) paths.add(part);
  }
  const modules = [...files]
    .filter(([path]) => moduleFile.test(path))
    .map(([path, text]) => {
      const code = maskSource(text);
      return { path, text, code, references: findReferences(text, code) };
    });
  return { files, paths, modules };
}

/** The line, from 1, of an offset in a text. */
export function lineOf(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at !== -1 && at < offset; at = text.indexOf("\n", at + 1)) {
    line += 1;
  }
  return line;
}

/** The path in the tree that a relative specifier names, seen from a module. */
export function resolveFrom(module: string, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(module), specifier));
}

function findReferences(text: string, code: string): Reference[] {
  const references: Reference[] = [];
  for (const match of code.matchAll(/(["'])[ ]*\1/g)) {
    const specifier = text.slice(match.index + 1, match.index + match[0].length - 1);
    const before = code.slice(0, match.index);
    const imported = /\b(?:from\s*|import\s*\(?\s*)$/.test(before.slice(-40));
    if (/\bsiblingModule\(\s*$/.test(before.slice(-40))) {
      // A worker's module, named without its extension: .ts here and .js where it is built.
      const line = lineOf(text, match.index);
      references.push({ specifier: `./${specifier}.ts`, line, typeOnly: false, imported: false });
      continue;
    }
    if (!imported && !/^[\w./-]+\.(?:ts|js)$/.test(specifier)) continue;
    const statement = before.slice(
      Math.max(...["import", "export"].map((word) => before.lastIndexOf(word))),
    );
    const typeOnly = /^(?:import|export)\s+type\b/.test(statement);
    references.push({ specifier, line: lineOf(text, match.index), typeOnly, imported });
  }
  return references;
}
