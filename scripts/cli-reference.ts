// SPDX-License-Identifier: Apache-2.0
//
// `node scripts/cli-reference.ts`: writes docs/reference/cli.md from the commands themselves. The
// page is committed; a test fails when it says something else than `--help` does.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import type { Command } from "commander";
import { commandWords } from "../cli/completion/command-words.ts";
import { buildProgram } from "../cli/program.ts";
import type { Shell } from "../cli/shell.ts";
import { systemClock } from "../runtime/system-clock.ts";
import { systemRandom } from "../runtime/system-random.ts";
import { root } from "./stage.ts";

/** Where the page is, from the root. */
export const REFERENCE_FILE = "docs/reference/cli.md";

/** Width of help in the page: what fits beside a browser's margin. */
const HELP_COLUMNS = 96;

/** Every command with its options; nothing of it can be run. */
export async function loadCommandTree(): Promise<Command> {
  const stream = Object.assign(new PassThrough(), { columns: HELP_COLUMNS });
  const shell: Shell = {
    stdin: stream,
    stdout: stream,
    stderr: stream,
    environment: {},
    clock: systemClock,
    random: systemRandom,
    interrupt: { signal: new AbortController().signal, drain: () => {} },
    setExitStatus: () => {},
  };
  return buildProgram({ shell, path: "all" });
}

/** The page. */
export async function renderReference(): Promise<string> {
  const program = await loadCommandTree();
  const sections = commandWords(program).map(({ path }) => section(program, path));
  return `# The command line

Written by \`node scripts/cli-reference.ts\` from the commands themselves: what \`--help\` says.

Data goes to standard output, everything else to standard error. Exit status: 0 done, 1 failed,
2 bad usage, 130 after Ctrl-C. \`-o json\` and \`-o yaml\` have the same fields under the same names
in every version of the API. Which center is asked, in this order: options, environment
(\`MUSTER_SERVER\`, \`MUSTER_TOKEN\`, \`MUSTER_TENANT\`), the saved login (\`muster login\`),
\`http://127.0.0.1:7070\`. \`MUSTER_DEBUG=1\` adds the causes of an error.

${sections.join("\n")}`;
}

function section(program: Command, path: string): string {
  const title = path === "" ? "muster" : `muster ${path}`;
  return `## ${title}\n\n\`\`\`text\n${helpText(program, path).trimEnd()}\n\`\`\`\n`;
}

/** Help with the examples, which commander adds only when it prints. */
function helpText(program: Command, path: string): string {
  let command = program;
  for (const name of path.split(" ").filter((word) => word !== "")) {
    const child = command.commands.find((candidate) => candidate.name() === name);
    if (child === undefined) throw new Error(`${path} is not a command`);
    command = child;
  }
  let text = "";
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
  });
  command.outputHelp();
  return text;
}

if (import.meta.main) {
  await writeFile(join(root, REFERENCE_FILE), await renderReference());
  console.error(`cli-reference: ${REFERENCE_FILE} is written.`);
}
