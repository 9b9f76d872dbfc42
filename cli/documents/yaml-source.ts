// SPDX-License-Identifier: Apache-2.0
/**
 * YAML with positions: what a person wrote, as values and as places in the file, so that every
 * error can point at the line. One file may hold several documents (`---`).
 *
 * Limits: 1 MiB and 1,000 documents a file; aliases expand at most a hundredfold (the library's
 * guard against "billion laughs").
 */
import {
  isMap,
  isNode,
  isScalar,
  LineCounter,
  parseAllDocuments,
  type Document,
  type Node,
  type Scalar,
} from "yaml";
import { MusterError } from "../../domain/errors.ts";
import { throwAll } from "../print-error.ts";

export const MAX_YAML_BYTES = 1_048_576;
const MAX_DOCUMENTS = 1_000;

/** Field names and list indices from the root of a document. */
export type FieldPath = readonly (string | number)[];

/** From 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** One document of a file. */
export class YamlSource {
  /** As the person named it; "-" is standard input. */
  readonly file: string;
  /** Plain data: what the document says. */
  readonly value: unknown;
  readonly #document: Document.Parsed;
  readonly #lines: LineCounter;
  readonly #text: string;

  constructor(options: {
    file: string;
    text: string;
    document: Document.Parsed;
    lines: LineCounter;
  }) {
    this.file = options.file;
    this.value = options.document.toJS({ maxAliasCount: 100 });
    this.#document = options.document;
    this.#lines = options.lines;
    this.#text = options.text;
  }

  /** Where the value stands; of a missing one, where its nearest parent does. */
  positionOf(path: FieldPath): Position {
    for (let length = path.length; length >= 0; length -= 1) {
      const node = this.#document.getIn(path.slice(0, length), true);
      if (isNode(node)) {
        const missing = length < path.length;
        // A mapping's own place is its first key; the key that leads to it reads better.
        if (missing && length > 0) return this.positionOfKey(path.slice(0, length));
        return this.#at(node.range?.[0] ?? 0);
      }
    }
    return this.#at(this.#document.range[0]);
  }

  /** Where the name of the field stands. */
  positionOfKey(path: FieldPath): Position {
    const parent = path.length === 1 ? this.#document.contents : this.#parentOf(path);
    if (isMap(parent)) {
      const pair = parent.items.find(({ key }) => keyText(key) === String(path.at(-1)));
      if (pair !== undefined && isNode(pair.key)) return this.#at(pair.key.range?.[0] ?? 0);
    }
    return this.positionOf(path);
  }

  /**
   * The place in the file of a place inside a text value (a selector), as far as the way it is
   * written allows: exact in plain and quoted text on one line and in `|` blocks, else its start.
   */
  positionInText(path: FieldPath, inner: Position): Position {
    const node = this.#document.getIn(path, true);
    const start = this.positionOf(path);
    if (!isScalar(node)) return start;
    if (node.type === "BLOCK_LITERAL") return this.#inLiteral(node, start, inner);
    const end = this.#at(Math.max(0, (node.range?.[1] ?? 1) - 1));
    if (node.type === "BLOCK_FOLDED" || end.line !== start.line || inner.line > 1) return start;
    const quote = node.type === "PLAIN" ? 0 : 1;
    return { line: start.line, column: start.column + quote + inner.column - 1 };
  }

  #inLiteral(node: Scalar, start: Position, inner: Position): Position {
    const line = start.line + inner.line;
    const from = this.#lines.lineStarts[line - 1];
    if (from === undefined || node.range === undefined || node.range === null) return start;
    const content = this.#text.slice(from);
    const indent = content.length - content.trimStart().length;
    return { line, column: indent + inner.column };
  }

  #parentOf(path: FieldPath): unknown {
    return this.#document.getIn(path.slice(0, -1), true);
  }

  #at(offset: number): Position {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  }
}

/** The documents of a text, empty ones left out. Throws `invalid_argument` for syntax errors. */
export function parseYaml(text: string, file: string): YamlSource[] {
  const lines = new LineCounter();
  const parsed = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false });
  const documents = Array.isArray(parsed) ? parsed.slice(0, MAX_DOCUMENTS + 1) : [];
  if (documents.length > MAX_DOCUMENTS) {
    throw new MusterError({
      code: "too_large",
      message: `the file holds more than ${MAX_DOCUMENTS} documents`,
      detail: { file },
    });
  }
  throwAll(documents.flatMap((document) => syntaxErrors(document, lines, file)));
  return documents
    .filter(({ contents }) => contents !== null && !isEmptyScalar(contents))
    .map((document) => toSource({ file, text, document, lines }));
}

function toSource(options: ConstructorParameters<typeof YamlSource>[0]): YamlSource {
  try {
    return new YamlSource(options);
  } catch (cause) {
    throw new MusterError({
      code: "invalid_argument",
      message: "the YAML cannot be read: its aliases are unresolved or expand too far",
      detail: { file: options.file, hint: "write the values out instead of using aliases" },
      cause,
    });
  }
}

function syntaxErrors(document: Document.Parsed, lines: LineCounter, file: string): MusterError[] {
  // The first is the cause; the parser's later ones are mostly its consequences.
  return document.errors.slice(0, 1).map((error) => {
    const { line, col } = lines.linePos(error.pos[0]);
    const first = error.message.split("\n")[0] ?? error.message;
    const sentence = /call stack/.test(first) ? "it is nested too deeply" : first;
    return new MusterError({
      code: "invalid_argument",
      message: `YAML syntax: ${sentence}`,
      detail: { file, line: Math.max(1, line), column: Math.max(1, col) },
      cause: error,
    });
  });
}

function isEmptyScalar(node: Node): boolean {
  return isScalar(node) && (node.value === null || node.value === "");
}

function keyText(key: unknown): string {
  return isScalar(key) ? String(key.value) : String(key);
}
