// SPDX-License-Identifier: Apache-2.0
/** Cuts a selector into tokens, each with its place, so that errors can point at it. */
import { MusterError } from "../errors.ts";

export type TokenKind = "word" | "string" | "operator" | "open" | "close" | "comma" | "end";

export interface Token {
  readonly kind: TokenKind;
  /** The text; of a string without its quotes and escapes. */
  readonly text: string;
  /** 0-based offset in the selector. */
  readonly offset: number;
}

/** Longest selector: more than any person writes, little enough to parse at once. */
export const MAX_SELECTOR_CHARACTERS = 8_192;

const SPACE = /[ \t\r\n]+/y;
const WORD = /[A-Za-z0-9_*?][A-Za-z0-9_.:/*?-]*/y;
const OPERATOR = /!=|=|~/y;
const STRING = /"((?:[^"\\]|\\["\\])*)"/y;

/** Line and column (both from 1) of an offset. */
export function placeOf(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf("\n") + 1;
  return { line: before.split("\n").length, column: offset - lineStart + 1 };
}

/** An `invalid_argument` that points at `offset`. */
export function selectorError(
  text: string,
  offset: number,
  problem: string,
  hint?: string,
): MusterError {
  const { line, column } = placeOf(text, offset);
  return new MusterError({
    code: "invalid_argument",
    message: `selector, ${line === 1 ? "" : `line ${line}, `}column ${column}: ${problem}`,
    detail: { field: "selector", line, column, ...(hint === undefined ? {} : { hint }) },
  });
}

/** Throws `invalid_argument` at the first character that starts no token. */
export function tokenize(text: string): Token[] {
  if (text.length > MAX_SELECTOR_CHARACTERS) {
    throw selectorError(text, 0, `longer than ${MAX_SELECTOR_CHARACTERS} characters`);
  }
  const tokens: Token[] = [];
  let offset = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = offset;
    return pattern.exec(text);
  };
  while (offset < text.length) {
    const start = offset;
    const space = take(SPACE);
    if (space !== null) {
      offset += space[0].length;
      continue;
    }
    const [token, length] = nextToken(text, start, take);
    tokens.push(token);
    offset += length;
  }
  tokens.push({ kind: "end", text: "", offset: text.length });
  return tokens;
}

const PUNCTUATION: ReadonlyMap<string, TokenKind> = new Map([
  ["(", "open"],
  [")", "close"],
  [",", "comma"],
]);

function nextToken(
  text: string,
  offset: number,
  take: (pattern: RegExp) => RegExpExecArray | null,
): [Token, number] {
  const character = text[offset] ?? "";
  const punctuation = PUNCTUATION.get(character);
  if (punctuation !== undefined) return [{ kind: punctuation, text: character, offset }, 1];
  const operator = take(OPERATOR);
  if (operator !== null) {
    return [{ kind: "operator", text: operator[0], offset }, operator[0].length];
  }
  const quoted = take(STRING);
  if (quoted !== null) {
    const value = (quoted[1] ?? "").replaceAll(/\\(.)/g, "$1");
    return [{ kind: "string", text: value, offset }, quoted[0].length];
  }
  if (character === '"') throw selectorError(text, offset, "the string has no closing quote");
  const word = take(WORD);
  if (word !== null) return [{ kind: "word", text: word[0], offset }, word[0].length];
  throw selectorError(text, offset, `unexpected character ${JSON.stringify(character)}`);
}
