// SPDX-License-Identifier: Apache-2.0
/**
 * The selector language: which devices a rollout is for.
 *
 *     selector   = [ or ]                          (empty = every device)
 *     or         = and { "or" and }
 *     and        = not { "and" not }
 *     not        = "not" not | "(" or ")" | comparison
 *     comparison = field ( "=" | "!=" | "~" ) value
 *                | field [ "not" ] "in" "(" value { "," value } ")"
 *                | field "exists"
 *     field      = id | region | site | serviceLevel | critical | label.NAME | inventory.NAME
 *     value      = word | "quoted text"
 *
 * `~` matches a glob (`*` any run, `?` one character). A label or fact that a device does not have
 * equals nothing: `label.ring != canary` is true for a device without the label.
 */
import type { Token } from "./lexer.ts";
import { placeOf, selectorError, tokenize } from "./lexer.ts";

export type Field =
  | { readonly of: "id" | "region" | "site" | "serviceLevel" | "critical" }
  | { readonly of: "label" | "inventory"; readonly name: string };

export type Selector =
  | { readonly kind: "all" }
  | { readonly kind: "and" | "or"; readonly parts: readonly Selector[] }
  | { readonly kind: "not"; readonly part: Selector }
  | { readonly kind: "in"; readonly field: Field; readonly values: readonly string[] }
  | { readonly kind: "matches"; readonly field: Field; readonly glob: string }
  | { readonly kind: "exists"; readonly field: Field };

/** Deepest nesting of parentheses and `not`; keeps the recursion bounded. */
const MAX_DEPTH = 64;
const PLAIN_FIELDS = ["id", "region", "site", "serviceLevel", "critical"] as const;
const FIELD_HINT =
  "fields are id, region, site, serviceLevel, critical, label.NAME and inventory.NAME";

/** Throws `invalid_argument` with line and column at the first thing that is wrong. */
export function parseSelector(text: string): Selector {
  const parser = new Parser(text);
  return parser.parse();
}

class Parser {
  private readonly text: string;
  private readonly tokens: readonly Token[];
  private index = 0;
  private depth = 0;

  constructor(text: string) {
    this.text = text;
    this.tokens = tokenize(text);
  }

  parse(): Selector {
    if (this.peek().kind === "end") return { kind: "all" };
    const selector = this.or();
    const rest = this.peek();
    if (rest.kind !== "end") {
      throw this.error(rest, `unexpected ${describe(rest)}`, 'join conditions with "and" or "or"');
    }
    return selector;
  }

  private or(): Selector {
    return this.chain("or", () => this.chain("and", () => this.not()));
  }

  private chain(word: "and" | "or", next: () => Selector): Selector {
    const first = next();
    if (!this.isWord(word)) return first;
    const parts = [first];
    while (this.isWord(word)) {
      this.index++;
      parts.push(next());
    }
    return { kind: word, parts };
  }

  private not(): Selector {
    const token = this.peek();
    if (++this.depth > MAX_DEPTH) throw this.error(token, `nested deeper than ${MAX_DEPTH}`);
    try {
      if (this.isWord("not")) {
        this.index++;
        return { kind: "not", part: this.not() };
      }
      if (token.kind === "open") {
        this.index++;
        const inner = this.or();
        const { line, column } = placeOf(this.text, token.offset);
        const place = line === 1 ? `column ${column}` : `line ${line}, column ${column}`;
        this.expect("close", `the "(" at ${place} is not closed`);
        return inner;
      }
      return this.comparison();
    } finally {
      this.depth--;
    }
  }

  private comparison(): Selector {
    const field = this.field();
    const token = this.take();
    if (token.kind === "operator") {
      const value = this.value();
      if (token.text === "~") return { kind: "matches", field, glob: value };
      const equals: Selector = { kind: "in", field, values: [value] };
      return token.text === "=" ? equals : { kind: "not", part: equals };
    }
    if (token.kind === "word" && token.text === "exists") return { kind: "exists", field };
    if (token.kind === "word" && token.text === "in") return this.list(field);
    if (token.kind === "word" && token.text === "not" && this.isWord("in")) {
      this.index++;
      return { kind: "not", part: this.list(field) };
    }
    throw this.error(token, `expected =, !=, ~, in, not in or exists, not ${describe(token)}`);
  }

  private list(field: Field): Selector {
    this.expect("open", 'expected "(" after "in"');
    const values = [this.value()];
    while (this.peek().kind === "comma") {
      this.index++;
      values.push(this.value());
    }
    this.expect("close", 'expected "," or ")" in the list');
    return { kind: "in", field, values };
  }

  private field(): Field {
    const token = this.take();
    if (token.kind !== "word") {
      throw this.error(token, `expected a field, not ${describe(token)}`, FIELD_HINT);
    }
    const plain = PLAIN_FIELDS.find((name) => name === token.text);
    if (plain !== undefined) return { of: plain };
    const match = /^(label|inventory)\.([A-Za-z][A-Za-z0-9._-]*)$/.exec(token.text);
    if (match !== null) {
      return { of: match[1] === "label" ? "label" : "inventory", name: match[2] ?? "" };
    }
    throw this.error(token, `${JSON.stringify(token.text)} is not a field`, FIELD_HINT);
  }

  private value(): string {
    const token = this.take();
    if (token.kind === "word" || token.kind === "string") return token.text;
    throw this.error(token, `expected a value, not ${describe(token)}`);
  }

  private expect(kind: Token["kind"], problem: string): void {
    const token = this.take();
    if (token.kind !== kind) throw this.error(token, problem);
  }

  private isWord(word: string): boolean {
    const token = this.peek();
    return token.kind === "word" && token.text === word;
  }

  private peek(): Token {
    return this.tokens[this.index] ?? { kind: "end", text: "", offset: this.text.length };
  }

  private take(): Token {
    const token = this.peek();
    this.index++;
    return token;
  }

  private error(token: Token, problem: string, hint?: string): Error {
    return selectorError(this.text, token.offset, problem, hint);
  }
}

function describe(token: Token): string {
  return token.kind === "end" ? "the end of the selector" : JSON.stringify(token.text);
}
