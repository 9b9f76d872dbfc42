// SPDX-License-Identifier: Apache-2.0
/**
 * The command lines of a page: `sh` blocks cut into commands as a shell would, and code spans in
 * its prose. No shell is asked: variables and substitutions stay as they are written.
 */
import { pageItems } from "../../helpers/page-items.ts";

export interface CommandLine {
  /** In the page, from 1; of a block, that of its fence. */
  readonly line: number;
  /** Program first. */
  readonly words: readonly string[];
  /** False in prose, where what a command needs may be left out. */
  readonly isWhole: boolean;
}

/** Every command of a page that begins with `program`, in order. */
export function commandLines(page: string, program: string): CommandLine[] {
  const whole = pageItems(page).flatMap((item) =>
    item.kind === "block" && item.language === "sh"
      ? shellCommands(item.text).map((words) => ({ line: item.line, words, isWhole: true }))
      : [],
  );
  return [...whole.filter(({ words }) => words[0] === program), ...spans(page, program)];
}

/** The words of each command of a script, without comments and bodies of here-documents. */
export function shellCommands(script: string): string[][] {
  const text = script
    .replaceAll("\\\n", " ")
    .replace(/<<-?\s*(['"]?)(\w+)\1(.*)\n(?:[^\n]*\n)*?\2\n/g, "$3\n");
  const commands: string[][] = [];
  for (const line of text.split("\n")) {
    let words: string[] = [];
    let isTarget = false;
    for (const token of tokens(line)) {
      if (token.kind === "redirect") isTarget = true;
      else if (token.kind === "separator") {
        commands.push(words);
        words = [];
      } else if (isTarget) isTarget = false;
      else words.push(token.text);
    }
    commands.push(words);
  }
  return commands.filter((words) => words.length > 0);
}

interface Token {
  readonly kind: "word" | "redirect" | "separator";
  readonly text: string;
}

/** A word, quoted in parts or not at all; or what stands between commands, or before a file. */
const TOKEN =
  /\s*(?:#.*|(\d?[<>]{1,2}&?)|(&&|\|\||[;|()])|((?:'[^']*'|"[^"]*"|\\.|[^\s'"\\;|&()<>])+))/y;

function tokens(line: string): Token[] {
  const found: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < line.trimEnd().length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(line);
    if (match === null) throw new Error(`column ${at + 1} is not understood: ${line}`);
    const [, redirect, separator, word] = match;
    if (redirect !== undefined) found.push({ kind: "redirect", text: redirect });
    if (separator !== undefined) found.push({ kind: "separator", text: separator });
    if (word !== undefined) found.push({ kind: "word", text: unquote(word) });
  }
  return found;
}

function unquote(word: string): string {
  return word.replace(
    /'([^']*)'|"([^"]*)"|\\(.)/g,
    (_, single?: string, double?: string, escaped?: string) => single ?? double ?? escaped ?? "",
  );
}

/** Code spans outside of fenced blocks; one may be broken over two lines. */
function spans(page: string, program: string): CommandLine[] {
  const prose = page.replace(/^```[^\n]*\n[\s\S]*?^```$/gm, (block) =>
    block.replace(/[^\n]/g, " "),
  );
  return [...prose.matchAll(/`([^`]+)`/g)].flatMap(({ index, 1: span = "" }) => {
    const text = span.replaceAll("\n", " ");
    if (!text.startsWith(`${program} `)) return [];
    const line = prose.slice(0, index).split("\n").length;
    return shellCommands(text).map((words) => ({ line, words, isWhole: false }));
  });
}
