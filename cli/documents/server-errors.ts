// SPDX-License-Identifier: Apache-2.0
/**
 * The center's refusal of a document, pointed back at the file: it names a field of the API
 * (`spec.gate.minSuccessPercent`), the document has a line for it (`spec.gate.minSuccess`).
 */
import { MusterError } from "../../domain/errors.ts";
import { fieldName } from "./document-errors.ts";
import type { FieldPath, Position, YamlSource } from "./yaml-source.ts";

/** The same error with file, line and column where the document has the field. */
export function locateServerError(error: MusterError, source: YamlSource): MusterError {
  const { field, line, column, hint } = error.detail;
  const path = field === undefined ? null : findField(source, field);
  const found = path === null ? source.positionOf([]) : source.positionOf(path);
  const inner: Position | null = column === undefined ? null : { line: line ?? 1, column };
  const place = path === null || inner === null ? found : source.positionInText(path, inner);
  return new MusterError({
    code: error.code,
    message: error.message,
    cause: error,
    detail: {
      file: source.file,
      ...place,
      ...(field === undefined ? {} : { field: path === null ? field : fieldName(path) }),
      ...(hint === undefined ? {} : { hint }),
    },
  });
}

/** The document's path of an API field: as it is, below `spec` or `metadata`, without its unit. */
function findField(source: YamlSource, field: string): FieldPath | null {
  const parts = field
    .replaceAll(/\[(\d+)\]/g, ".$1")
    .split(".")
    .filter((part) => part !== "")
    .map((part) => (/^\d+$/.test(part) ? Number(part) : camelCase(part)));
  for (const prefix of [[], ["spec"], ["metadata"]]) {
    for (const path of [parts, parts.map(withoutUnit)]) {
      const candidate = [...prefix, ...path];
      if (hasField(source.value, candidate)) return candidate;
    }
  }
  return null;
}

function hasField(value: unknown, path: FieldPath): boolean {
  let current: unknown = value;
  for (const part of path) {
    if (typeof current !== "object" || current === null || !Object.hasOwn(current, part)) {
      return false;
    }
    current = (current as { [key: string]: unknown })[part];
  }
  return path.length > 0;
}

function camelCase(part: string): string {
  return part.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function withoutUnit(part: string | number): string | number {
  return typeof part === "number" ? part : part.replace(/(?:Ms|Percent)$/, "");
}
