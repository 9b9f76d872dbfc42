// SPDX-License-Identifier: Apache-2.0
//
// What one file must look like: size, width, licence line, named exports, no trace of the machine
// that it was written on. Lengths of functions are oxlint's (.oxlintrc.json).

import { isGenerated, lineOf, type Finding, type Rule, type Tree } from "./tree.ts";

const linesMax = 400;
const columnsMax = 100;

/** Files that people write and read line by line; data and its formats are left alone. */
const writtenFile = /(?:\.(?:ts|js|proto|sql|sh|rego|css|html|ya?ml|md)|\.ci\/run)$/;
const codeFile = /(?:\.(?:ts|js|proto|sql|sh|rego)|\.ci\/run)$/;

/** Recorded input and output of tests. */
const recorded = /(?:^|\/)(?:testdata|fixtures|transcripts|results|vectors)\//;

/** The parts of a path that only one machine has, after something that a path can start after. */
const machinePath = /(?<![\w.:/@$}~-])(?:\/(?:home|Users|root|work)\/[\w.-]+|[A-Z]:\\\\?Users\b)/g;

/** A string that is a fixed place in the shared temporary folder. */
const sharedTemporaryPath = /["'`]\/tmp\//g;

/**
 * A file is at most 400 lines: what does not fit one screenful of outline has two subjects. A
 * .proto may be longer: a service and its messages are one subject, and splitting moves generated
 * imports.
 */
export const checkLength: Rule = (tree) =>
  writtenFiles(tree, codeFile)
    .filter(([path]) => !path.endsWith(".proto"))
    .map(([path, text]) => ({ path, lineCount: text.replace(/\n$/, "").split("\n").length }))
    .filter(({ lineCount }) => lineCount > linesMax)
    .map(({ path, lineCount }) => ({
      path,
      line: linesMax + 1,
      message: `The file has ${lineCount} lines, over ${linesMax}. Split it by what it is about.`,
    }));

/** A line is at most 100 columns; an address, and a table or a command in a page, may be longer. */
export const checkColumns: Rule = (tree) =>
  writtenFiles(tree, writtenFile).flatMap(([path, text]) =>
    (path.endsWith(".md") ? proseOf(text) : text)
      .split("\n")
      .map((content) => Array.from(content.replace(/https?:\/\/\S+/g, "")).length)
      .map((columnCount, index) => ({ columnCount, line: index + 1 }))
      .filter(({ columnCount }) => columnCount > columnsMax)
      .map(({ columnCount, line }) => ({
        path,
        line,
        message: `The line has ${columnCount} columns, over ${columnsMax}. Wrap it.`,
      })),
  );

/** The first line, after a `#!` one, names the licence in the form that tools read. */
export const checkLicence: Rule = (tree) =>
  writtenFiles(tree, codeFile)
    .filter(([, text]) => {
      const lines = text.split("\n");
      const first = lines[0]?.startsWith("#!") ? lines[1] : lines[0];
      return !/^(?:\/\/|--|#) SPDX-License-Identifier: Apache-2\.0$/.test(first ?? "");
    })
    .map(([path]) => ({
      path,
      line: 1,
      message: 'The licence line is missing. Start with "// SPDX-License-Identifier: Apache-2.0".',
    }));

/** A default export has a different name in each file that imports it. */
export const checkDefaultExports: Rule = (tree) =>
  tree.modules
    .filter(({ path }) => !isGenerated(path))
    .flatMap(({ path, text, code }) =>
      [...code.matchAll(/\bexport\s+default\b|\bas\s+default\b/g)].map(({ index }) => ({
        path,
        line: lineOf(text, index),
        message: "A default export. Give it a name and export that.",
      })),
    );

/** No path of somebody's machine, in code or prose. */
export const checkMachinePaths: Rule = (tree) => {
  const findings: Finding[] = [];
  for (const [path, text] of tree.files) {
    if (isGenerated(path)) continue;
    for (const { index, 0: found } of text.matchAll(machinePath)) {
      const message = `"${found}" exists on one machine only. Write it relative to the repository.`;
      findings.push({ path, line: lineOf(text, index), message });
    }
    if (!/\.(?:ts|js)$/.test(path)) continue;
    for (const { index } of text.matchAll(sharedTemporaryPath)) {
      const message =
        "A fixed path under /tmp. Make a folder of its own with mkdtemp in os.tmpdir().";
      findings.push({ path, line: lineOf(text, index), message });
    }
  }
  return findings;
};

function writtenFiles(tree: Tree, kind: RegExp): [string, string][] {
  return [...tree.files].filter(
    ([path]) => kind.test(path) && !isGenerated(path) && !recorded.test(path),
  );
}

/** A page without its tables and fenced blocks, line by line. */
function proseOf(text: string): string {
  let fenced = false;
  return text
    .split("\n")
    .map((line) => {
      if (/^\s*(?:```|~~~)/.test(line)) fenced = !fenced;
      return fenced || /^\s*\|/.test(line) ? "" : line;
    })
    .join("\n");
}
