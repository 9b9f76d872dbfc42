// SPDX-License-Identifier: Apache-2.0
/**
 * What is wrong with a document, as sentences with file, line, column and field. Zod says what does
 * not fit; here it becomes words that name what was written and what to write instead.
 */
import { closest, distance } from "fastest-levenshtein";
import type { z } from "zod";
import { MusterError, type ErrorDetail } from "../../domain/errors.ts";
import { knownFields, knownKinds } from "./known-fields.ts";
import type { FieldPath, Position, YamlSource } from "./yaml-source.ts";

type Issue = z.core.$ZodIssue;

/** The document's value, checked; throws nothing: returns every error found. */
export function checkDocument<Value>(
  source: YamlSource,
  schema: z.ZodType<Value>,
): { readonly value: Value } | { readonly errors: readonly MusterError[] } {
  const result = schema.safeParse(source.value);
  if (result.success) return { value: result.data };
  const { issues } = result.error;
  // What has the wrong type has no size either: zod measures a text where a list should be.
  const mistyped = new Set(issues.filter(isOfType).map(({ path }) => path.join("/")));
  const errors = issues
    .filter((issue) => isOfType(issue) || !mistyped.has(issue.path.join("/")))
    .flatMap((issue) => fromIssue(source, schema, issue));
  return { errors: errors.toSorted((left, right) => lineOf(left) - lineOf(right)) };
}

function isOfType({ code }: Issue): boolean {
  return code === "invalid_type";
}

/** An error about one field of a document. */
export function fieldError(
  source: YamlSource,
  path: FieldPath,
  options: { message: string; hint?: string | undefined; position?: Position },
): MusterError {
  const { line, column } = options.position ?? source.positionOf(path);
  const field = fieldName(path);
  const detail: ErrorDetail = {
    file: source.file,
    line,
    column,
    ...(field === "" ? {} : { field }),
    ...(options.hint === undefined ? {} : { hint: options.hint }),
  };
  return new MusterError({ code: "invalid_argument", message: options.message, detail });
}

/** `spec.waves[1]`. */
export function fieldName(path: FieldPath): string {
  return path
    .map((part, index) =>
      typeof part === "number" ? `[${part}]` : `${index === 0 ? "" : "."}${part}`,
    )
    .join("");
}

/** The nearest of `known` if a slip of the finger leads there; else undefined. */
export function didYouMean(written: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const candidate = closest(written.toLowerCase(), [...known]);
  const allowed = Math.max(1, Math.ceil(candidate.length / 3));
  if (distance(written.toLowerCase(), candidate.toLowerCase()) > allowed) return undefined;
  return `did you mean ${JSON.stringify(candidate)}?`;
}

function fromIssue(source: YamlSource, schema: z.core.$ZodType, issue: Issue): MusterError[] {
  const path = issue.path.map((part) => (typeof part === "number" ? part : String(part)));
  const written = valueAt(source.value, path);
  switch (issue.code) {
    case "unrecognized_keys": {
      const known = knownFields(schema, path, source.value);
      return issue.keys.map((key) => unknownField(source, [...path, key], known));
    }
    case "invalid_type":
      return [typeError(source, path, written, issue.expected)];
    case "invalid_value":
      return [choiceError(source, path, written, issue.values.map(String))];
    case "invalid_union":
      return [unionError(source, schema, path)];
    case "custom":
      return [customError(source, path, issue)];
    default:
      return [fieldError(source, path, { message: sizeSentence(issue) })];
  }
}

function unknownField(source: YamlSource, path: FieldPath, known: readonly string[]): MusterError {
  const key = String(path.at(-1));
  return fieldError(source, path, {
    message: `unknown field ${JSON.stringify(key)}`,
    hint: didYouMean(key, known) ?? `fields here are ${known.join(", ")}`,
    position: source.positionOfKey(path),
  });
}

const TYPE_WORDS: { readonly [type: string]: string } = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a mapping of fields",
  record: "a mapping of fields",
};

function typeError(
  source: YamlSource,
  path: FieldPath,
  written: unknown,
  expected: string,
): MusterError {
  if (written === undefined) return fieldError(source, path, { message: "this field is missing" });
  const word = TYPE_WORDS[expected] ?? expected;
  if (written === null) {
    return fieldError(source, path, { message: `this field is empty; it must be ${word}` });
  }
  const isUnquoted = expected === "string" && isScalar(written);
  return fieldError(source, path, {
    message: `must be ${word}, not ${describeValue(written)}`,
    ...(isUnquoted ? { hint: `write it in quotes, as in "${written}"` } : {}),
  });
}

function choiceError(
  source: YamlSource,
  path: FieldPath,
  written: unknown,
  choices: readonly string[],
): MusterError {
  if (written === undefined) return fieldError(source, path, { message: "this field is missing" });
  const allowed = choices.length === 1 ? choices[0] : `one of ${choices.join(", ")}`;
  return fieldError(source, path, {
    message: `must be ${allowed}, not ${describeValue(written)}`,
    hint: hintFor(written, choices),
  });
}

function hintFor(written: unknown, choices: readonly string[]): string | undefined {
  if (typeof written !== "string" || choices.length < 2) return undefined;
  return didYouMean(written, choices);
}

/** Unions here are told apart by `kind`; it is the field to correct. */
function unionError(source: YamlSource, schema: z.core.$ZodType, path: FieldPath): MusterError {
  const written = valueAt(source.value, path);
  const choices = path.at(-1) === "kind" ? knownKinds(schema, path.slice(0, -1), source.value) : [];
  if (choices.length > 0) return choiceError(source, path, written, choices);
  return typeError(source, path, written, "object");
}

/** What a check of our own may attach to its issue. */
export interface CheckFacts {
  readonly hint?: string | undefined;
  /** Where inside the text. */
  readonly inner?: Position | undefined;
}

function customError(
  source: YamlSource,
  path: FieldPath,
  issue: Issue & { code: "custom" },
): MusterError {
  const facts = (issue.params ?? {}) as CheckFacts;
  return fieldError(source, path, {
    message: issue.message,
    hint: facts.hint,
    ...(facts.inner === undefined ? {} : { position: source.positionInText(path, facts.inner) }),
  });
}

function sizeSentence(issue: Issue): string {
  if (issue.code === "too_small") return `must be at least ${sizeOf(issue.origin, issue.minimum)}`;
  if (issue.code === "too_big") return `must be at most ${sizeOf(issue.origin, issue.maximum)}`;
  return issue.message;
}

function sizeOf(origin: string, limit: number | bigint): string {
  const one = Number(limit) === 1;
  if (origin === "string") return `${limit} ${one ? "character" : "characters"} long`;
  return origin === "array" ? `${limit} ${one ? "entry" : "entries"} long` : String(limit);
}

/** Enough to find it again; the rest of a long text helps nobody. */
const MAX_QUOTED_CHARACTERS = 60;

function describeValue(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "a mapping";
  const text = JSON.stringify(value) ?? String(value);
  return text.length > MAX_QUOTED_CHARACTERS
    ? `${text.slice(0, MAX_QUOTED_CHARACTERS)}…${text[0] === '"' ? '"' : ""}`
    : text;
}

function isScalar(value: unknown): value is number | boolean {
  return typeof value === "number" || typeof value === "boolean";
}

function valueAt(value: unknown, path: FieldPath): unknown {
  let current: unknown = value;
  for (const step of path) {
    if (typeof current !== "object" || current === null) return undefined;
    current = (current as { [key: string]: unknown })[step];
  }
  return current;
}

function lineOf(error: MusterError): number {
  return error.detail.line ?? 0;
}
